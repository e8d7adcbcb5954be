// Asks by integrations/plain/failover.ts, one request a line of stdin: how many words came. `hint`: what is known of
// the first. Usage: failover_test.mts FEED CHOICES, the latter as JSON.

import { createInterface } from "node:readline";

import { Feed } from "../../../integrations/plain/endturn_feed.ts";
import { answer, type Choice } from "../../../integrations/plain/failover.ts";

const feed = new Feed(process.argv[2]);
const choices = JSON.parse(process.argv[3]!) as Choice[];

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "hint") {
    console.log(feed.hint(choices[0]!.target));
  } else {
    const text = await answer(feed, choices, [{ role: "user", content: line }]).catch((error: Error) => error.message);
    console.log(text.split(" ").length);
  }
}
feed.close();
