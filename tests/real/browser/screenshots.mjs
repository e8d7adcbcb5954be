// Pictures of the page for docs/ and the README: `docs/screenshots.sh` starts this. The demo's targets and its outage,
// over a seeded past.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { launch, open, settled } from './browser.mjs';
import { Daemon, Simulator, provider, way } from './daemon.mjs';

const VICTIM = 'anthropic/claude-haiku-4-5';
const TARGETS = [VICTIM, 'openai/gpt-5.2-chat', 'openai-responses/gpt-5.2', 'gemini/gemini-2.5-flash-lite'];
const OUT = process.env.ENDTURN_PICTURES;
const WIDE = { width: 1080, height: 800 }, LONG = { viewport: { width: 1080, height: 1400 }, deviceScaleFactor: 1.5 }, PHONE = { width: 360, height: 740 };

const browser = await launch();
const simulator = await Simulator.start();
const daemon = await Daemon.start([
  provider(simulator, 'anthropic', 'anthropic', ['claude-haiku-4-5']),
  provider(simulator, 'openai', 'openai/v1', ['gpt-5.2-chat']),
  provider(simulator, 'openai-responses', 'openai/v1', ['gpt-5.2']),
  provider(simulator, 'gemini', 'gemini', ['gemini-2.5-flash-lite']),
  way('chat', [VICTIM, TARGETS[1], TARGETS[3]]),
].join(''), { past: TARGETS });

async function picture(name, path, options = {}) {
  const view = await open(browser, daemon.origin, { viewport: WIDE, deviceScaleFactor: 2, ...options });
  await view.page.goto(path);
  await view.page.waitForSelector('html[data-live="on"]');
  await settled(view.page);
  await view.page.screenshot({ path: join(OUT, `${name}.png`), animations: 'disabled' });
  await view.done();
  console.log(`${name}.png: ${path}`);
}

try {
  await mkdir(OUT, { recursive: true });
  const well = (feed) => feed.targets.every((t) => t.state === 'operational');
  await daemon.until('all operational', (feed) => well(feed) && feed.targets.every((t) => t.attempts > 20));
  await picture('page-well', '/');
  const cut = { kind: 'truncate', rate: 0.6, at: 0.6 };
  await simulator.fault('anthropic', { ...cut, how: 'fin' });
  await simulator.fault('openai/gpt-5.2-chat', { ...cut, how: 'no_terminal' });
  await daemon.until('both cut short', (feed) => feed.targets.filter((t) => t.reason.code === 'truncated' && t.truncation_rate.value > 0.3 && t.incident).length === 2);
  await picture('page', '/');
  await picture('page-dark', '/', { colorScheme: 'dark' });
  await picture('page-phone', '/', { viewport: PHONE });
  await picture('page-target', `/targets/${VICTIM}?range=7d`, LONG);
  await simulator.fault('anthropic', null);
  await simulator.fault('openai/gpt-5.2-chat', null);
  await daemon.until('all well again', well);
  const { items } = await daemon.json(`/v1/incidents?target=${encodeURIComponent(VICTIM)}`);
  await picture('page-incident', `/incidents/${items[0].id}`, { ...LONG, viewport: { width: 1080, height: 900 } });
} finally {
  await browser.close();
  await daemon.stop();
  await simulator.stop();
}
