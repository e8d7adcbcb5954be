// Failover in plain TypeScript with fetch: the feed's order, each reply's ending checked, every outcome reported.
// A reply is handed on when it is whole, so a broken one costs time and nothing else.

import { Feed } from "./endturn_feed.ts";

/** `url`: of an OpenAI-compatible API, with its version. */
export type Choice = { target: string; url: string; key: string; model: string };
type Part = { delta?: { content?: string }; finish_reason?: string | null };
type Chunk = { error?: { message?: string }; choices?: Part[] };

const VERDICTS: Record<string, string> = { length: "limited", content_filter: "refused" };

/** The reply of the first that finishes one. */
export async function answer(feed: Feed, choices: Choice[], messages: object[], timeoutMs = 120_000): Promise<string> {
  let last: unknown = new Error("no target");
  for (const { target, url, key, model } of feed.order(choices)) {
    let text = "", stop = "", status = 0, told = false, rest = "";
    try {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const body = JSON.stringify({ model, messages, stream: true });
      const signal = AbortSignal.timeout(timeoutMs);
      const reply = await fetch(`${url}/chat/completions`, { method: "POST", body, headers, signal });
      status = reply.status;
      if (!reply.ok) throw new Error(`${target}: HTTP ${status}`);
      for await (const bytes of reply.body!.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + bytes).split("\n");
        rest = lines.pop()!;
        for (const line of lines.filter((line) => line.startsWith("data: {"))) {
          const chunk = JSON.parse(line.slice(6)) as Chunk;
          if ((told = chunk.error !== undefined)) throw new Error(`${target}: ${chunk.error?.message}`);
          text += chunk.choices?.[0]?.delta?.content ?? "";
          stop ||= chunk.choices?.[0]?.finish_reason ?? "";
        }
      }
      if (!stop) throw new Error(`${target}: the stream ended without a stop reason`);
    } catch (error) {
      last = error;
      const late = (error as Error).name === "TimeoutError";
      if (late) feed.report(target, "errored", { error: "timeout" });
      else if (!status) feed.report(target, "errored", { error: "connect" });
      else if (status >= 400) feed.report(target, "errored", { http_status: status });
      else if (told) feed.report(target, "errored", { http_status: status, error: "server_error" });
      else feed.report(target, "truncated", { http_status: status, kind: "cut" });
      continue;
    }
    feed.report(target, VERDICTS[stop] ?? "complete", { stop_reason: stop });
    return text;
  }
  throw last;
}
