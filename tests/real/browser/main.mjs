// The status page in a real browser: `run.sh` starts this. One simulator, one daemon and one browser for all of it;
// the faults are ours, so each test knows what the page must say.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { jumbled, launch, luminance, open, settled, sideways, violations, PATIENCE_MS } from './browser.mjs';
import { Daemon, PAST, Simulator, provider, way } from './daemon.mjs';

const VICTIM = 'anthropic/claude-haiku-4-5', HEALTHY = 'openai/gpt-5.2-chat', OTHER = 'gemini/gemini-2.5-flash-lite';
const CUT = { kind: 'truncate', rate: 1, at: 0.6, how: 'fin' };
const row = (id) => `a.row[data-target="${id}"]`;
const pathOf = (id) => `/targets/${id}`;
const IMPAIRED = ['degraded', 'partial', 'down'];

let simulator, daemon, browser, incident;

before(async () => {
  simulator = await Simulator.start();
  daemon = await Daemon.start([
    provider(simulator, 'anthropic', 'anthropic', ['claude-haiku-4-5', 'claude-sonnet-4-5']),
    provider(simulator, 'openai', 'openai/v1', ['gpt-5.2-chat']),
    provider(simulator, 'gemini', 'gemini', ['gemini-2.5-flash-lite']),
    way('chat', [VICTIM, HEALTHY]),
  ].join(''), { past: [VICTIM, HEALTHY, OTHER] });
  browser = await launch();
  await daemon.until('all operational', (feed) => feed.targets.every((t) => t.state === 'operational'));
}, { timeout: 180_000 });

after(async () => {
  await browser?.close();
  await daemon?.stop();
  await simulator?.stop();
});

/** Every page, with what it must at least say. */
const pages = () => [
  ['/', /claude-haiku-4-5/],
  [pathOf(VICTIM), /anthropic\/claude-haiku-4-5/],
  [pathOf(HEALTHY), /openai\/gpt-5\.2-chat/],
  ['/incidents', /claude-haiku-4-5/],
  [`/incidents/${incident}`, /claude-haiku-4-5/],
  ['/methodology', /truncated/i],
];

const plain = (text) => text.replace(/\s+/g, ' ').trim();
const shifted = (page) => page.evaluate(() => window.endturnTest.shifts);
const total = (shifts) => shifts.reduce((sum, s) => sum + s.value, 0);

describe('live', () => {
  test('a state changes without reload, within 5 s of the feed, there and back', { timeout: 180_000 }, async () => {
    const view = await open(browser, daemon.origin);
    const { page } = view;
    await page.goto('/');
    await page.waitForSelector(`${row(VICTIM)}[data-state="operational"]`);
    await page.waitForSelector('html[data-live="on"]');
    const calm = await page.locator('#sentence').innerText();
    await page.evaluate(() => { window.endturnTest.same = true; });
    await page.locator(row(HEALTHY)).focus();

    for (const [fault, states] of [[CUT, IMPAIRED], [null, ['operational']]]) {
      const changes = await page.evaluate(() => window.endturnTest.changes.length);
      await simulator.fault('anthropic/claude-haiku-4-5', fault);
      const told = await daemon.untilState(VICTIM, ...states);
      await page.waitForSelector(states.map((s) => `${row(VICTIM)}[data-state="${s}"]`).join(), { timeout: PATIENCE_MS });
      await page.waitForFunction(([n, id, wanted]) => window.endturnTest.changes.slice(n).some((c) => wanted.includes(c.states[id])),
        [changes, VICTIM, states], { timeout: PATIENCE_MS });
      const last = await page.evaluate(() => ({ ...window.endturnTest.changes.at(-1), kept: document.documentElement.dataset.lastDelayMs }));
      assert.ok(Number.isFinite(Number(last.kept)), `data-last-delay-ms is ${last.kept}`);
      await page.waitForFunction((serving) => document.querySelector('.ways li a').textContent === serving, fault ? HEALTHY : VICTIM, { timeout: 60_000 });
      console.log(`${states.join('/')}: revision ${last.revision} painted ${last.kept} ms after it was made`
        + ` (seen after ${new Date(last.seenAt) - new Date(last.generatedAt)} ms); the row was right ${Date.now() - told.at} ms after a reader in the test had it`);
      if (fault) {
        await page.waitForFunction((c) => document.querySelector('#sentence').textContent.includes('Anthropic') && document.querySelector('#sentence').innerText !== c, calm, { timeout: PATIENCE_MS });
        assert.match(await page.locator('#sentence').innerText(), /stop early/);
        assert.equal(plain(await page.title()), plain(await page.locator('#sentence').innerText()), 'the title says the same');
      }
    }
    assert.equal(await page.evaluate(() => window.endturnTest.same), true, 'the page was not loaded again');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.target), HEALTHY, 'the focus stays on its row');
    await view.done();
  });

  test('figures that change in place move nothing', { timeout: 60_000 }, async () => {
    for (const path of ['/', pathOf(HEALTHY)]) {
      const view = await open(browser, daemon.origin);
      const { page } = view;
      await page.goto(path);
      await settled(page);
      const figures = () => page.locator('[data-f]').allTextContents();
      const before = await figures();
      await page.waitForFunction((b) => [...document.querySelectorAll('[data-f]')].map((f) => f.textContent).join() !== b, before.join(), { timeout: 15_000 });
      await page.waitForTimeout(3_000);
      const shifts = await shifted(page);
      assert.ok(total(shifts) < 0.001, `${path}: ${JSON.stringify(shifts)}`);
      await view.done();
    }
  });
});

describe('all pages', { timeout: 300_000 }, () => {
  before(async () => {
    await simulator.fault('anthropic/claude-haiku-4-5', CUT);
    await daemon.untilState(VICTIM, ...IMPAIRED);
    // It opens once the impairment has lasted: the before hook's own time limit bounds the wait.
    while (!incident) {
      const open = await daemon.json(`/v1/incidents?open=true&target=${encodeURIComponent(VICTIM)}`);
      incident = open.items[0]?.id;
      if (!incident) await new Promise((done) => { setTimeout(done, 200); });
    }
  }, { timeout: 90_000 });

  for (const theme of ['light', 'dark']) {
    test(`axe-core finds nothing, ${theme}`, async () => {
      for (const [path, words] of pages()) {
        const view = await open(browser, daemon.origin, { colorScheme: theme });
        const { page } = view;
        await page.goto(path);
        await settled(page);
        assert.match(await page.locator('body').innerText(), words, path);
        const dark = await luminance(page) < 0.5;
        assert.equal(dark, theme === 'dark', `${path}: background of the ${theme} theme`);
        assert.deepEqual(await violations(page), [], `${path}, ${theme}`);
        assert.equal(await page.locator('[aria-live]').count(), 1, `${path}: live regions`);
        assert.equal(await page.locator('h1').count(), 1, `${path}: h1`);
        assert.equal(await page.locator('[aria-live] h1#sentence, h1#sentence[aria-live]').count(), 1, `${path}: the sentence`);
        await view.done();
      }
    });
  }

  for (const width of [320, 360, 768, 1280, 2560]) {
    test(`nothing scrolls sideways, overlaps or shifts at ${width} px`, async () => {
      for (const [path] of pages()) {
        const view = await open(browser, daemon.origin, { viewport: { width, height: 800 } });
        await view.page.goto(path);
        await settled(view.page);
        assert.deepEqual([...await sideways(view.page), ...await jumbled(view.page)], [], path);
        const shifts = await shifted(view.page);
        assert.ok(total(shifts) < 0.001, `${path}: layout shift ${JSON.stringify(shifts)}`);
        await view.done();
      }
    });
  }

  test('wider spacing of text (WCAG 1.4.12) cuts nothing and scrolls nothing sideways at 360 px', async () => {
    for (const [path] of pages()) {
      const view = await open(browser, daemon.origin, { viewport: { width: 360, height: 800 } });
      await view.page.goto(path);
      const cut = await view.page.evaluate(() => {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync('* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }');
        document.adoptedStyleSheets = [sheet];
        return [...document.querySelectorAll('main *, header *, footer *')].filter((e) => {
          const style = getComputedStyle(e);
          return e.innerText?.trim() && !e.closest('svg') && style.overflowX === 'hidden' && e.clientWidth > 1
            && e.scrollWidth > e.clientWidth + 1 && style.textOverflow !== 'ellipsis';
        }).map((e) => e.outerHTML.slice(0, 120));
      });
      assert.deepEqual(cut, [], path);
      assert.deepEqual(await sideways(view.page), [], path);
      await view.done();
    }
  });

  test('what a provider says is text, never markup', { timeout: 90_000 }, async () => {
    const hostile = '<img src=/hostile onerror=alert(1)><script>alert(2)</script><a href="http://hostile.invalid/">here</a>';
    await simulator.fault('gemini', { kind: 'status', code: 500, body: JSON.stringify({ error: { code: 500, status: 'INTERNAL', message: hostile } }) });
    try {
      await daemon.untilState(OTHER, ...IMPAIRED);
      for (const path of ['/', pathOf(OTHER), '/incidents']) {
        const view = await open(browser, daemon.origin);
        await view.page.goto(path);
        await settled(view.page);
        assert.equal(await view.page.evaluate(() => document.querySelectorAll('img, script:not([src]), a[href*="hostile"]').length), 0, path);
        if (path === pathOf(OTHER)) assert.ok((await view.page.locator('main').innerText()).includes('<img src=/hostile'), 'shown as it came');
        await view.done();
      }
    } finally {
      await simulator.fault('gemini', null);
    }
  });

  test('without script every page is complete', async () => {
    for (const [path, words] of pages()) {
      const view = await open(browser, daemon.origin, { javaScriptEnabled: false });
      const { page } = view;
      await page.goto(path);
      assert.match(await page.locator('main').innerText(), words, path);
      assert.ok((await page.locator('h1').innerText()).length > 10, path);
      assert.equal(await page.locator('[data-theme-toggle]:visible').count(), 0, 'no button that does nothing');
      assert.deepEqual(await sideways(page), []);
      if (path === '/') {
        const { targets } = await daemon.json('/v1/health');
        for (const target of targets) {
          const text = await page.locator(row(target.id)).innerText();
          assert.ok(text.includes(target.model), text);
        }
        assert.match(await page.locator(row(VICTIM)).innerText(), /degraded|partial|down/);
      }
      if (path === pathOf(VICTIM)) {
        await page.locator('[data-range]').last().click();
        await page.waitForSelector('[data-range]:last-of-type[aria-current]');
        assert.ok(await page.locator('[data-chart] svg').count() >= 4, 'charts of ninety days');
      }
      await view.done();
    }
  });

  test('reduced motion moves nothing', { timeout: 90_000 }, async () => {
    for (const [path] of pages()) {
      const view = await open(browser, daemon.origin, { reducedMotion: 'reduce' });
      await view.page.goto(path);
      const moving = await view.page.evaluate(() => {
        const seconds = (list) => Math.max(...list.split(',').map((t) => parseFloat(t) * (t.trim().endsWith('ms') ? 0.001 : 1)));
        for (const r of document.querySelectorAll('.row, [data-target]')) r.classList.add('changed');
        return [...document.querySelectorAll('*')].filter((e) => {
          const style = getComputedStyle(e);
          return seconds(style.transitionDuration) > 0.001 || (style.animationName !== 'none' && seconds(style.animationDuration) > 0.001);
        }).map((e) => e.outerHTML.slice(0, 80));
      });
      assert.deepEqual(moving, [], path);
      assert.equal(await view.page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior), 'auto', path);
      await view.done();
    }
  });

  test('an address that nobody has gets a page of its own', async () => {
    const view = await open(browser, daemon.origin);
    const answer = await view.page.goto('/targets/nobody/knows');
    assert.equal(answer.status(), 404);
    assert.deepEqual(await violations(view.page), []);
    assert.deepEqual(await sideways(view.page), []);
    await view.done(/404/);
  });
});

describe('theme', () => {
  test('the button overrules the system and is remembered on every page', { timeout: 30_000 }, async () => {
    const view = await open(browser, daemon.origin, { colorScheme: 'dark' });
    const { page } = view;
    await page.goto('/');
    const wanted = async (theme) => {
      for (let press = 0; press < 3; press += 1) {
        if (await page.evaluate(() => document.documentElement.dataset.theme) === theme) return;
        await page.locator('[data-theme-toggle]').click();
      }
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), theme);
    };
    assert.ok(await luminance(page) < 0.5, 'dark like the system');
    await wanted('light');
    assert.ok(await luminance(page) > 0.5, 'light by the button');
    for (const path of ['/', pathOf(HEALTHY)]) {
      await page.goto(path);
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light', `${path}: remembered`);
      assert.ok(await luminance(page) > 0.5, path);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await wanted('dark');
    assert.ok(await luminance(page) < 0.5, 'dark by the button');
    await view.done();
  });
});

describe('keyboard', () => {
  const focused = (page) => page.evaluate(() => {
    const e = document.activeElement;
    if (!e || e === document.body) return null;
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    const index = [...document.querySelectorAll('*')].indexOf(e);
    return { index, key: e.getAttribute('href') ?? e.id ?? e.outerHTML.slice(0, 60), row: e.closest('.row')?.dataset.target ?? null,
      bars: !!e.closest('[data-bars]'),
      ring: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== 'none',
      seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight };
  });
  const walk = async (page) => {
    const stops = [];
    for (let n = 0; n < 150; n += 1) {
      await page.keyboard.press('Tab');
      const stop = await focused(page);
      if (!stop) return stops;
      stops.push(stop);
    }
    throw new Error('the tab key never leaves the page');
  };

  test('tab goes through every page in its order, and shows where it is', { timeout: 90_000 }, async () => {
    for (const [path] of pages()) {
      const view = await open(browser, daemon.origin);
      const { page } = view;
      await page.goto(path);
      await settled(page);
      const stops = await walk(page);
      assert.ok(stops.length > 2, `${path}: ${stops.length} stops`);
      assert.match(stops[0].key, /#main/, 'the skip link comes first');
      for (const stop of stops) {
        assert.ok(stop.ring, `${path}: no visible focus on ${stop.key}`);
        assert.ok(stop.seen, `${path}: focus out of sight on ${stop.key}`);
      }
      const order = stops.map((s) => s.index);
      assert.deepEqual(order, [...order].sort((a, b) => a - b), `${path}: order of the document`);
      if (path === '/') {
        const { targets } = await daemon.json('/v1/health');
        const rows = stops.filter((s) => s.row).map((s) => s.row);
        assert.deepEqual([...rows].sort(), targets.map((t) => t.id).sort(), 'one stop a row');
      }
      await view.done();
    }
  });

  test('arrow keys walk the days of a row, escape leads back to it', { timeout: 30_000 }, async () => {
    const view = await open(browser, daemon.origin);
    const { page } = view;
    await page.goto('/');
    await page.locator(row(VICTIM)).focus();
    const day = () => page.evaluate(() => {
      const e = document.activeElement;
      return { bars: e.matches('[data-bars]'), role: e.getAttribute('role'), now: Number(e.getAttribute('aria-valuenow')), text: e.getAttribute('aria-valuetext') ?? '' };
    });
    const said = async (pattern) => {
      await page.waitForFunction((p) => new RegExp(p).test(document.activeElement.getAttribute('aria-valuetext')), pattern);
      const tip = await page.locator('#tip').innerText();
      assert.match(tip, new RegExp(pattern), 'what is heard is seen as well');
      return day();
    };
    await page.keyboard.press('ArrowLeft');
    const today = await said('^Today');
    assert.ok(today.bars && today.role === 'slider', JSON.stringify(today));
    await page.keyboard.press('ArrowLeft');
    const yesterday = await said(PAST ? '^\\d+ \\w+ \\d{4}[^]*up ' : '^\\d+ \\w+ \\d{4}');
    assert.equal(yesterday.now, today.now - 1);
    assert.deepEqual(await violations(page), [], 'with a day named');
    await page.keyboard.press('Home');
    await page.waitForFunction(() => document.activeElement.getAttribute('aria-valuenow') === document.activeElement.getAttribute('aria-valuemin'));
    await page.keyboard.press('Escape');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.target), VICTIM);
    assert.equal(await page.locator('#tip:visible').count(), 0);
    // Strips and routes above may have pushed it out of sight.
    const bars = page.locator(`li:has(> ${row(HEALTHY)}) [data-bars] svg`);
    await bars.scrollIntoViewIfNeeded();
    const box = await bars.boundingBox();
    await page.mouse.move(box.x + box.width - 1, box.y + box.height / 2);
    await page.waitForSelector('#tip:visible');
    assert.match(await page.locator('#tip').innerText(), /^Today/, 'the pointer names it as well');
    await view.done();
  });

  test('1 to 4 choose the range of the charts, arrow keys move their cursor', { timeout: 60_000 }, async () => {
    const view = await open(browser, daemon.origin);
    const { page } = view;
    await page.goto(pathOf(VICTIM));
    await settled(page);
    const steps = new Set();
    for (const key of ['4', '3', '2', '1']) {
      await page.keyboard.press(key);
      await page.waitForFunction((n) => document.querySelectorAll('[data-range]')[n].hasAttribute('aria-current'), Number(key) - 1);
      steps.add(await page.locator('[data-board]').getAttribute('data-step'));
      assert.ok(await page.locator('[data-chart]').count() >= 4, `charts of range ${key}`);
      assert.deepEqual(await violations(page), [], `range ${key}`);
    }
    assert.ok(steps.size >= 3, `steps ${[...steps]}`);
    const shifts = await shifted(page);
    assert.ok(total(shifts) < 0.1, JSON.stringify(shifts));
    await page.locator('[data-cursor]').focus();
    await page.keyboard.press('End');
    const last = await page.locator('[data-cursor]').getAttribute('aria-valuetext');
    assert.match(last, /\d\d:\d\d UTC/);
    assert.match(await page.locator('[data-readout]').first().innerText(), /\d\d:\d\d/);
    await page.keyboard.press('ArrowLeft');
    assert.notEqual(await page.locator('[data-cursor]').getAttribute('aria-valuetext'), last);
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('[data-cursor]').getAttribute('aria-valuetext'), 'none chosen');
    await view.done();
  });

  test('enter opens a row, the skip link leads to the content', { timeout: 30_000 }, async () => {
    const view = await open(browser, daemon.origin);
    const { page } = view;
    await page.goto('/');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert.equal(new URL(page.url()).hash, '#main');
    await page.locator(row(HEALTHY)).focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(`**${pathOf(HEALTHY)}`);
    await view.done();
  });
});

describe('connection', () => {
  test('a daemon that is stopped, ended and started again is told, and found again', { timeout: 120_000 }, async () => {
    const view = await open(browser, daemon.origin);
    const { page } = view;
    await page.goto('/');
    await page.waitForSelector('html[data-live="on"]');
    assert.equal(await page.locator('#notice:visible').count(), 0);
    daemon.signal('SIGSTOP');
    await page.waitForSelector('html[data-live="lost"]', { timeout: 25_000 });
    assert.match(await page.locator('#notice').innerText(), /as of \d\d:\d\d/);
    daemon.signal('SIGCONT');
    await page.waitForSelector('html[data-live="on"]', { timeout: 15_000 });
    await page.waitForSelector('#notice', { state: 'hidden' });
    await daemon.reopen();
    await page.waitForSelector('html[data-live="on"]', { timeout: 20_000 });
    await page.waitForSelector(row(VICTIM));
    await view.done(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_NETWORK/);
  });
});

describe('fifty targets', () => {
  test('the page weighs less than 60 kB and nothing shifts', { timeout: 240_000 }, async () => {
    const vendors = [['anthropic', 'anthropic'], ['openai', 'openai/v1'], ['gemini', 'gemini'], ['groq', 'groq/openai/v1'], ['mistral', 'mistral/v1']];
    const models = Array.from({ length: 10 }, (_, n) => `model-of-usual-length-${n}`);
    const past = vendors.flatMap(([id]) => models.map((model) => `${id}/${model}`));
    if (!PAST) console.log('without a past: cargo build --example past');
    const many = await Daemon.start(vendors.map(([id, path]) => provider(simulator, id, path, models, '2s')).join(''), { past });
    try {
      await many.until('fifty operational', (feed) => feed.targets.filter((t) => t.state === 'operational').length === 50);
      const view = await open(browser, many.origin, { viewport: { width: 360, height: 740 } });
      const { page } = view;
      const sizes = {};
      page.on('response', async (answer) => {
        if (!answer.url().includes('/v1/events')) sizes[new URL(answer.url()).pathname] = (await answer.body()).length;
      });
      await page.goto('/', { waitUntil: 'load' });
      await settled(page);
      assert.equal(await page.locator('a.row').count(), 50);
      const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
      console.log(`bytes: ${JSON.stringify(sizes)}; first contentful paint ${paint?.toFixed(0)} ms`);
      assert.ok(sizes['/'] < 60_000, `${sizes['/']} bytes`);
      assert.deepEqual(await sideways(page), []);
      const shifts = await shifted(page);
      assert.ok(total(shifts) < 0.001, JSON.stringify(shifts));
      await view.done();
    } finally { await many.stop(); }
  });
});
