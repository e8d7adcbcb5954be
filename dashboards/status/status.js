// Keeps the status page live. The server renders all words; this script changes figures in place as events come, and
// asks the server for a fresh copy when a state, a sentence or a picture must change. Without it the page reloads
// itself.
'use strict';
(() => {
  const root = document.documentElement;

  // Theme: before the first paint, so that nothing flashes.
  const THEMES = ['system', 'light', 'dark'];
  const remembered = () => {
    try { return THEMES.includes(localStorage.endturnTheme) ? localStorage.endturnTheme : 'system'; }
    catch { return 'system'; }
  };
  let theme = remembered();
  const showTheme = () => {
    if (theme === 'system') delete root.dataset.theme; else root.dataset.theme = theme;
    const button = document.getElementById('theme');
    if (button) { button.textContent = `Theme: ${theme}`; button.hidden = false; }
  };
  showTheme();

  // The same formats as src/api/page/figures.rs.
  const NONE = '–', NBSP = '\u00a0', NOTABLE_SHARE = 0.01;
  const bare = (share) => {
    const points = share * 100;
    return points < 0.05 ? '0' : points < 9.95 ? points.toFixed(1) : points.toFixed(0);
  };
  const percent = (share) => bare(share) + NBSP + '%';
  const seconds = (ms) => (ms < 995 ? (ms / 1000).toFixed(2) : ms < 9950 ? (ms / 1000).toFixed(1) : (ms / 1000).toFixed(0));
  const pair = (p50, p95) => {
    const top = Math.max(p50, p95 ?? p50), small = top < 99.5;
    const show = small ? (ms) => ms.toFixed(top < 9.95 ? 1 : 0) : seconds;
    return show(p50) + (p95 == null ? '' : ` / ${show(p95)}`) + NBSP + (small ? 'ms' : 's');
  };
  const age = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    return s < 60 ? `${s}${NBSP}s` : s < 3600 ? `${Math.floor(s / 60)}${NBSP}min`
      : s < 172800 ? `${Math.floor(s / 3600)}${NBSP}h` : `${Math.floor(s / 86400)}${NBSP}d`;
  };
  const dollars = (usd) => (usd <= 0 ? '$0' : usd < 0.0001 ? 'under $0.0001' : usd < 0.01 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`);
  const figure = (key, f, target) => {
    if (key.endsWith('_rate')) {
      return f.n > 0 && f.value != null
        ? { value: percent(f.value), note: `${bare(f.low)}–${percent(f.high)} · n ${f.n}`, hot: f.low > NOTABLE_SHARE }
        : { value: NONE, note: 'no attempt · n 0', hot: false };
    }
    if (!(f.n > 0) || f.p50 == null) return { value: NONE, note: 'no reply · n 0', hot: false };
    return {
      value: key === 'output_tps' ? `${f.p50.toFixed(0)} tokens/s` : pair(f.p50, f.p95),
      note: `n ${f.n}`,
      hot: key === 'ttft_ms' && target.soft_deadline_ms > 0 && f.p50 > target.soft_deadline_ms,
    };
  };
  const put = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
  const clock = (iso) => iso.slice(11, 19) + ' UTC';

  const STALE_MS = 15000, RETRY_MS = 5000, COPY_GAP_MS = 1000, MARK_MS = 1000, FRESH_MS = 5000, CALM_MS = 20000;
  const targets = new Map();
  let skew = 0, asOf = '', instance = '', heard = 0, source = null, dirty = false;

  const now = () => Date.now() + skew;
  const tick = () => {
    for (const time of document.querySelectorAll('time[data-age]')) put(time, age(now() - Date.parse(time.dateTime)));
    const sentence = document.querySelector('h1').textContent.trim();
    if (document.title !== sentence) document.title = sentence;
    if (heard && Date.now() - heard > STALE_MS) lost();
  };

  const lost = () => {
    const notice = document.getElementById('notice');
    put(notice, `Connection lost: everything here is as of ${clock(asOf)}. Trying again.`);
    notice.hidden = false;
    document.body.classList.add('stale');
  };
  const found = () => {
    document.getElementById('notice').hidden = true;
    document.body.classList.remove('stale');
  };

  const elementOf = (id) => [...document.querySelectorAll('[data-target]')].find((e) => e.dataset.target === id);
  const mark = (id) => {
    const row = elementOf(id);
    if (!row) return;
    row.classList.add('changed');
    setTimeout(() => row.classList.remove('changed'), MARK_MS);
  };

  // A fresh copy from the server: parts that differ are swapped, what had the focus keeps it.
  let copying = false, again = null, lastCopy = Date.now();
  const signature = (part) => {
    const twin = part.cloneNode(true);
    for (const time of twin.querySelectorAll('time[data-age], time[data-second], #revision')) time.textContent = '';
    return twin.className + twin.innerHTML;
  };
  const copy = async (moved) => {
    if (copying) { again = [...(again ?? []), ...moved]; return; }
    copying = true;
    try {
      await new Promise((done) => setTimeout(done, Math.max(0, lastCopy + COPY_GAP_MS - Date.now())));
      lastCopy = Date.now();
      const response = await fetch(location.pathname + location.search, { cache: 'no-store' });
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
      const focused = document.activeElement?.closest?.('[data-target], a[href]');
      const key = focused?.getAttribute('href');
      for (const old of document.querySelectorAll('[data-part]')) {
        const part = fresh.querySelector(`[data-part="${old.dataset.part}"]`);
        if (!part || signature(part) === signature(old)) continue;
        old.className = part.className;
        old.replaceChildren(...part.childNodes);
      }
      if (key && !document.contains(focused)) {
        [...document.querySelectorAll('a[href]')].find((a) => a.getAttribute('href') === key)?.focus({ preventScroll: true });
      }
      dirty = false;
      moved.forEach(mark);
      tick();
      document.dispatchEvent(new Event('endturn:copied'));
    } catch { /* the connection's own notice tells */ } finally {
      copying = false;
      if (again) { const next = again; again = null; copy(next); }
    }
  };

  const show = (target) => {
    const element = elementOf(target.id);
    if (!element) return false;
    for (const holder of element.querySelectorAll('[data-f]')) {
      const f = figure(holder.dataset.f, target[holder.dataset.f] ?? {}, target);
      put(holder.querySelector('b'), f.value);
      put(holder.querySelector('small'), f.note);
      holder.classList.toggle('hot', f.hot);
    }
    return true;
  };

  const receive = (event) => {
    let data;
    try { data = JSON.parse(event.data); } catch { return; }
    const restarted = instance !== data.instance;
    instance = data.instance;
    heard = Date.now();
    asOf = data.generated_at;
    skew = Date.parse(asOf) - heard;
    found();
    put(document.getElementById('revision'), String(data.revision));
    const generated = document.getElementById('generated');
    put(generated, clock(asOf));
    generated.dateTime = asOf;
    let stale = restarted || event.type === 'incident' || (event.type === 'health' && data.network !== network());
    const moved = (data.transitions ?? []).map((t) => t.target);
    for (const target of data.targets ?? []) {
      const before = targets.get(target.id);
      if (before && (before.state !== target.state || before.since !== target.since)) moved.push(target.id);
      if (before && before.reason.text !== target.reason.text) dirty = true;
      targets.set(target.id, target);
      if (!show(target) && !filter) stale = true;
    }
    if (!filter && targets.size) {
      put(document.getElementById('spent'), dollars([...targets.values()].reduce((sum, t) => sum + t.spent_usd_today, 0)));
    }
    if (data.targets?.length) dirty = true;
    if (event.type === 'snapshot' && data.revision !== Number(document.body.dataset.revision)) stale = true;
    if (stale || moved.length) copy([...new Set(moved)]);
  };
  const network = () => document.querySelector('[data-network]')?.dataset.network;

  let filter = '';
  const connect = () => {
    source = new EventSource('/v1/events' + (filter && `?targets=${encodeURIComponent(filter)}`));
    for (const kind of ['snapshot', 'health', 'incident', 'heartbeat']) source.addEventListener(kind, receive);
    source.onerror = () => {
      lost();
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
    };
  };

  document.addEventListener('DOMContentLoaded', () => {
    showTheme();
    document.getElementById('theme').addEventListener('click', () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      try { localStorage.endturnTheme = theme; } catch { /* private window: kept until it closes */ }
      showTheme();
    });
    asOf = document.body.dataset.generated;
    instance = document.body.dataset.instance;
    skew = Date.parse(asOf) - Date.now();
    filter = document.querySelector('[data-only]')?.dataset.only ?? '';
    setInterval(tick, 1000);
    // Pictures, tables, reasons and the sentence grow old quietly; slowly where all is well.
    const ill = () => filter || document.querySelector('.row:is(.degraded, .partial, .down)');
    setInterval(() => {
      const due = lastCopy + (ill() ? FRESH_MS : CALM_MS);
      if (dirty && !document.hidden && Date.now() >= due) copy([]);
    }, 1000);
    connect();
  });
})();
