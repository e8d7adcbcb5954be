// Pictures of the demo's page for docs/ and the README: `docs/screenshots.sh` starts this.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { launch, open, settled } from './browser.mjs';
import { Demo } from './daemon.mjs';

const VICTIM = 'anthropic/claude-haiku-4-5';
const OUT = process.env.ENDTURN_PICTURES;
const WIDE = { width: 1080, height: 640 }, PHONE = { width: 360, height: 740 };

const browser = await launch();
const demo = await Demo.start();

async function picture(name, path, options = {}) {
  const view = await open(browser, demo.origin, { viewport: WIDE, deviceScaleFactor: 2, ...options });
  await view.page.goto(path);
  await view.page.waitForSelector('html[data-live="on"]');
  await settled(view.page);
  await view.page.screenshot({ path: join(OUT, `${name}.png`), fullPage: options.fullPage ?? false, animations: 'disabled' });
  await view.done();
  console.log(`${name}.png: ${path}`);
}

try {
  await mkdir(OUT, { recursive: true });
  const well = (feed) => feed.targets.every((t) => t.state === 'operational');
  await demo.until('all operational', well);
  await picture('page-well', '/');
  await demo.until('both victims cut short', (feed) => feed.targets.filter((t) => t.reason.code === 'truncated' && t.attempts > 40).length === 2);
  await picture('page', '/');
  await picture('page-dark', '/', { colorScheme: 'dark' });
  await picture('page-phone', '/', { viewport: PHONE });
  await picture('page-target', `/targets/${VICTIM}`, { fullPage: true });
  await demo.until('both victims overloaded', (feed) => feed.targets.filter((t) => t.reason.code === 'overloaded').length === 2);
  await demo.until('all well again', well);
  const { items } = await demo.json(`/v1/incidents?target=${encodeURIComponent(VICTIM)}`);
  await picture('page-incident', `/incidents/${items[0].id}`, { fullPage: true });
} finally {
  await browser.close();
  await demo.stop();
}
