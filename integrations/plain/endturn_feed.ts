// endturn's feed in TypeScript, without a dependency; runs in Node.js 20 or later. The rules are those of
// endturn_feed.py: a local snapshot, no request at request time, what is known holds for 15 s after it came, and
// without a feed all goes on as before.

type Routing = { hint: string; weight: number | null };
type Named = { id: string; routing: Routing };
type Change = { generated_at: string; stale_after: string; network: string; targets?: Named[] };

const SILENCE_MS = 12_000; // heartbeats come every 5 s
const MAX_LINE = 16 << 20;
const RANK: Record<string, number> = { suspect: 1, throttle: 2, blocked: 3, avoid: 4 };

export class Feed {
  private hints = new Map<string, Routing>();
  private until = 0; // of `performance.now()`, which is monotonic
  private readonly ending = new AbortController();

  constructor(private readonly base = "http://127.0.0.1:7411", private readonly token?: string) {
    void this.follow();
  }

  hint(target: string): string {
    return (performance.now() < this.until && this.hints.get(target)?.hint) || "no_opinion";
  }

  /** Best first; the given order stands among equals. Last come those to avoid. */
  order<T extends { target: string }>(choices: T[]): T[] {
    const rank = ({ target }: T) => {
      const hint = this.hint(target);
      const share = this.hints.get(target)?.weight ?? 1;
      return hint === "ramp" && Math.random() >= share ? RANK.suspect! : (RANK[hint] ?? 0);
    };
    const ranked = choices.map((choice) => ({ choice, at: rank(choice) }));
    return ranked.sort((a, b) => a.at - b.at).map(({ choice }) => choice);
  }

  /** Never waited for; a report that can't be delivered is lost. */
  report(target: string, verdict: string, facts: Record<string, unknown> = {}): void {
    const body = JSON.stringify({ id: crypto.randomUUID(), target, verdict, reporter: "node", ...facts });
    const headers = this.headers({ "content-type": "application/json" });
    const request = { method: "POST", body, headers, signal: AbortSignal.timeout(5000) };
    fetch(`${this.base}/v1/reports`, request).then((answer) => answer.body?.cancel()).catch(() => {});
  }

  close(): void {
    this.ending.abort();
    this.until = 0;
  }

  private headers(more: Record<string, string> = {}): Record<string, string> {
    return this.token ? { ...more, authorization: `Bearer ${this.token}` } : more;
  }

  private async follow(): Promise<void> {
    while (!this.ending.signal.aborted) {
      const silent = new AbortController();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const heard = () => {
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENCE_MS);
      };
      try {
        heard();
        const signal = AbortSignal.any([this.ending.signal, silent.signal]);
        await this.read(await fetch(`${this.base}/v1/events`, { signal, headers: this.headers() }), heard);
      } catch {
        // Whatever came: what is known holds until it is stale, and this goes on.
      }
      clearTimeout(timer);
      silent.abort();
      if (!this.ending.signal.aborted) await new Promise((done) => setTimeout(done, 500 + Math.random() * 1500));
    }
  }

  /** Events until the stream ends. Each connection begins with a snapshot, since it asks for no revision. */
  private async read(answer: Response, heard: () => void): Promise<void> {
    let event = "", rest = "", begun = false;
    for await (const bytes of answer.body!.pipeThrough(new TextDecoderStream())) {
      heard();
      const lines = (rest + bytes).split("\n");
      rest = lines.pop()!;
      if (rest.length > MAX_LINE) throw new Error("an event of this size is none of endturn's");
      for (const line of lines) {
        if (line.startsWith("event:")) event = line.slice(6).trim();
        if (!line.startsWith("data:")) continue;
        const change = JSON.parse(line.slice(5)) as Change;
        if (!begun && event !== "snapshot") throw new Error("a change came before its snapshot");
        begun = true;
        if (event === "snapshot") this.hints = new Map();
        for (const { id, routing } of change.targets ?? []) this.hints.set(id, routing);
        // A difference of endturn's own clock, counted from now by ours: two machines' clocks are never compared.
        const holds = Date.parse(change.stale_after) - Date.parse(change.generated_at);
        this.until = change.network === "online" ? performance.now() + holds : 0;
      }
    }
  }
}
