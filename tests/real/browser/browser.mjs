// The browser, and what every page is held to whatever else is tested on it.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

// The packages lie outside the tree; run.sh says where.
const modules = createRequire(join(process.env.ENDTURN_BROWSER_MODULES, 'package.json'));
const { chromium } = modules('playwright-core');
const axe = modules('axe-core');

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
export const PATIENCE_MS = 5_000;

export const launch = () => chromium.launch({
  executablePath: process.env.ENDTURN_CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS,
});

/**
 * A page of its own context that notes whatever must not happen: console errors, exceptions, violations of the content
 * security policy, answers of 400 and above, and requests to anybody but the daemon (which are stopped).
 */
export async function open(browser, origin, options = {}) {
  const context = await browser.newContext({ baseURL: origin, locale: 'en-GB', ...options });
  const bad = [], requests = [];
  await context.route((url) => url.origin !== origin, (route) => {
    bad.push(`request to another host: ${route.request().url()}`);
    return route.abort();
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('request', (request) => requests.push(request.url()));
  page.on('response', (answer) => { if (answer.status() >= 400) bad.push(`${answer.status()} ${answer.url()}`); });
  page.on('console', (message) => {
    if (['error', 'warning', 'assert'].includes(message.type())) bad.push(`console ${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => bad.push(`exception: ${error.message}`));
  if (options.javaScriptEnabled !== false) {
    await page.exposeFunction('endturnTestViolation', (text) => bad.push(`content security policy: ${text}`));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (e) => window.endturnTestViolation(`${e.violatedDirective} ${e.blockedURI}`));
      window.endturnTest = { shifts: [], changes: [] };
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
          if (!entry.hadRecentInput) {
            window.endturnTest.shifts.push({ value: entry.value, at: entry.startTime,
              what: entry.sources.map((s) => s.node?.nodeName + '.' + (s.node?.className?.baseVal ?? s.node?.className ?? '')) });
          }
        }
      }).observe({ type: 'layout-shift', buffered: true });
      document.addEventListener('endturn:change', (e) => window.endturnTest.changes.push({
        ...e.detail, states: Object.fromEntries([...document.querySelectorAll('.row')].map((r) => [r.dataset.target, r.dataset.state])),
      }));
    });
  }
  return {
    page, context, bad, requests,
    /** Nothing that must not happen has happened; `allowed` are patterns of what the test brought about itself. */
    async done(...allowed) {
      await context.close();
      const left = bad.filter((line) => !allowed.some((pattern) => pattern.test(line)));
      assert.deepEqual(left, []);
      const hosts = new Set(requests.filter((url) => !url.startsWith('data:')).map((url) => new URL(url).origin));
      assert.deepEqual([...hosts], [origin], 'hosts that were asked');
    },
  };
}

/** What axe-core finds, a line for each violation. */
export async function violations(page) {
  await page.evaluate(axe.source);
  const found = await page.evaluate((tags) => window.axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] }), TAGS);
  return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id} (${v.impact}): ${n.target.join(' ')}: ${n.failureSummary.replaceAll('\n', ' ')}`));
}

/** What reaches beyond the window's right edge, or scrolls sideways within itself. */
export const sideways = (page) => page.evaluate(() => {
  const found = [], root = document.scrollingElement;
  if (root.scrollWidth > root.clientWidth) found.push(`the page: ${root.scrollWidth} of ${root.clientWidth} px`);
  const name = (e) => `${e.nodeName.toLowerCase()}.${[...e.classList].join('.')}`;
  for (const e of document.body.querySelectorAll('*')) {
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (box.width <= 1 || box.height <= 1 || style.visibility === 'hidden') continue;
    if (e.closest('svg') && e.nodeName !== 'svg') continue;
    if (box.right > root.clientWidth + 0.5) found.push(`${name(e)} ends at ${box.right} px: ${e.textContent.trim().slice(0, 40)}`);
    if (['auto', 'scroll'].includes(style.overflowX) && e.scrollWidth > e.clientWidth + 1) found.push(`${name(e)} scrolls`);
  }
  return found.slice(0, 10);
});

/** Words that lie over other words or over bars, and figures that break over several lines. */
export const jumbled = (page) => page.evaluate(() => {
  const seen = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && e.getBoundingClientRect().width > 1;
  const boxes = [], found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.data.trim() || node.parentElement.closest('svg, script, noscript') || !seen(node.parentElement)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) boxes.push({ box, name: node.data.trim().slice(0, 40), share: 0.4 });
  }
  for (const e of document.querySelectorAll('[data-bars] svg, .bars svg')) if (seen(e)) boxes.push({ box: e.getBoundingClientRect(), name: 'bars', share: 0.2 });
  boxes.forEach((a, n) => boxes.slice(n + 1).forEach((b) => {
    const over = (from, to) => Math.min(a.box[to], b.box[to]) - Math.max(a.box[from], b.box[from]);
    const allowed = Math.max(a.share, b.share) * Math.min(a.box.height, b.box.height);
    if (over('left', 'right') > 2 && over('top', 'bottom') > allowed) found.push(`“${a.name}” and “${b.name}” overlap`);
  }));
  for (const e of document.querySelectorAll('[data-f] b')) {
    const range = document.createRange();
    range.selectNodeContents(e);
    if (new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size > 1) found.push(`“${e.textContent}” is broken over lines`);
  }
  return found.slice(0, 10);
});

/** The colour behind the text, as relative luminance 0 to 1. */
export const luminance = (page) => page.evaluate(() => {
  const canvas = document.createElement('canvas').getContext('2d');
  const own = [document.body, document.documentElement].map((e) => getComputedStyle(e).backgroundColor)
    .find((c) => c !== 'rgba(0, 0, 0, 0)') ?? 'white';
  canvas.fillStyle = own;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
});

/** Two frames after the fonts are there. */
export const settled = (page) => page.evaluate(() => document.fonts.ready.then(() =>
  new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))));
