// The simulator and the daemon as processes of their own, and what a reader of the feed sees of them.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const START_MS = 20_000, STOP_MS = 12_000;
const BINARY = process.env.ENDTURN_BINARY;
/** examples/past.rs, built; without it the page is tested without a past. */
export const PAST = process.env.ENDTURN_PAST;
const run = promisify(execFile);

/** Starts the binary and waits for the line that tells its address. */
async function start(args, stream, pattern, env = {}) {
  const child = spawn(BINARY, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  const address = new Promise((found, failed) => {
    const late = setTimeout(() => failed(new Error(`${args[0]} was not ready in ${START_MS} ms:\n${said.join('\n')}`)), START_MS);
    for (const name of ['stdout', 'stderr']) {
      createInterface({ input: child[name] }).on('line', (line) => {
        if (said.push(line) > 200) said.shift();
        const match = name === stream && pattern.exec(line);
        if (match) { clearTimeout(late); found(match[1]); }
      });
    }
    child.once('exit', (code) => { clearTimeout(late); failed(new Error(`${args[0]} ended with ${code}:\n${said.join('\n')}`)); });
  });
  address.catch(() => child.kill('SIGKILL'));
  return { child, said, address: await address };
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGCONT');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(late);
}

/** The provider simulator on a free port. */
export class Simulator {
  static async start() {
    const simulator = new Simulator();
    Object.assign(simulator, await start(['simulate', '--listen', '127.0.0.1:0'], 'stdout', /^simulator at (http:\S+)/));
    return simulator;
  }

  async fault(key, fault) {
    const answer = await fetch(`${this.address}/control/faults/${key}`, fault
      ? { method: 'PUT', body: JSON.stringify(fault) } : { method: 'DELETE' });
    if (!answer.ok) throw new Error(`fault on ${key}: ${answer.status} ${await answer.text()}`);
  }

  stop() { return stop(this.child); }
}

/** One `[[provider]]` at the simulator. */
export const provider = (simulator, id, path, models, every = '500ms') =>
  `[[provider]]\nid = "${id}"\nbase_url = "${simulator.address}/${path}"\napi_key = { env = "BROWSER_TEST_KEY" }\n`
  + `models = ${JSON.stringify(models)}\nfree = true\npolite = false\nreach = { every = "${every}" }\n`
  + `canary = { every = "${every}" }\nlong = false\nofficial = false\n`;

/** One `[[route]]` over these targets. */
export const way = (name, targets) => `[[route]]\nname = "${name}"\ntargets = ${JSON.stringify(targets)}\n`;

/** The daemon with a database of its own. */
export class Daemon {
  /** `past`: targets that get a seeded past of 90 days, if there is a program that writes one; the many a coarser one. */
  static async start(providers, { listen = '127.0.0.1:0', past = [] } = {}) {
    const daemon = new Daemon();
    daemon.dir = await mkdtemp(join(tmpdir(), 'endturn-browser-'));
    daemon.providers = providers;
    if (past.length && PAST) await run(PAST, [join(daemon.dir, 'endturn.db'), '90', past.length > 10 ? '60' : '10', ...past]);
    await daemon.open(listen);
    return daemon;
  }

  async open(listen) {
    const config = join(this.dir, 'endturn.toml');
    await writeFile(config, `vantage = "browser"\n[server]\nlisten = "${listen}"\n[store]\npath = "${join(this.dir, 'endturn.db')}"\n`
      + `[network]\nanchors = []\n${this.providers}`);
    Object.assign(this, await start(['run', '-c', config], 'stderr', /ready page="(http:[^"]+?)\/?"/, { BROWSER_TEST_KEY: 'k', NO_COLOR: '1' }));
    this.origin = new URL(this.address).origin;
  }

  /** Ends it and starts it again on the same port, over the same database. */
  async reopen() {
    await stop(this.child);
    await this.open(new URL(this.origin).host);
  }

  async json(path) {
    const answer = await fetch(this.origin + path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  /** Waits until the feed tells what is asked for; gives the feed, and when it came here. */
  async until(what, told, limit = 60_000) {
    const end = Date.now() + limit;
    for (let since = ''; ; ) {
      const feed = await this.json(`/v1/health?${since}`);
      if (told(feed)) return { feed, at: Date.now() };
      if (Date.now() > end) throw new Error(`the feed did not tell within ${limit} ms: ${what}`);
      since = `since=${feed.revision}&wait=5s&instance=${feed.instance}`;
    }
  }

  untilState(target, ...states) {
    return this.until(`${target} ${states.join(' or ')}`, (feed) => states.includes(feed.targets.find((t) => t.id === target)?.state));
  }

  signal(name) { this.child.kill(name); }

  async stop() {
    await stop(this.child);
    await rm(this.dir, { recursive: true, force: true });
  }
}
