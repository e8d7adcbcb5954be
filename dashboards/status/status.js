// Keeps the status page live. The server renders all words; this script changes states and figures in place as events
// come, and asks the server for a fresh copy when a sentence, a reason or a picture must change. Without it the page
// reloads itself. docs/page.md tells which attributes and events others may rely on.
'use strict';
(() => {
  const root = document.documentElement;
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const put = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };

  // Theme, before the first paint. What equals the system's own choice is forgotten.
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const systems = () => (dark.matches ? 'dark' : 'light');
  const chosen = (value) => {
    try {
      if (value) localStorage.endturnTheme = value; else if (value === '') localStorage.removeItem('endturnTheme');
      return localStorage.endturnTheme;
    } catch { return value; }
  };
  const showTheme = (theme) => {
    root.dataset.theme = theme;
    const button = $('[data-theme-toggle]');
    if (button) { put(button, theme === 'dark' ? 'Light theme' : 'Dark theme'); button.hidden = false; }
  };
  const restoreTheme = () => { const kept = chosen(); showTheme(kept === 'light' || kept === 'dark' ? kept : systems()); };
  restoreTheme();
  dark.addEventListener('change', restoreTheme);

  // The same formats as src/api/page/figures.rs.
  const NONE = '–', NBSP = '\u00a0', NOTABLE_SHARE = 0.01;
  const bare = (share) => {
    const points = share * 100;
    return points < 0.05 ? '0' : points.toFixed(points < 9.95 ? 1 : 0);
  };
  const percent = (share) => bare(share) + NBSP + '%';
  const seconds = (ms) => (ms / 1000).toFixed(ms < 995 ? 2 : ms < 9950 ? 1 : 0);
  const pair = (p50, p95) => {
    const top = Math.max(p50, p95 ?? p50), small = top < 99.5;
    const show = small ? (ms) => ms.toFixed(top < 9.95 ? 1 : 0) : seconds;
    return show(p50) + (p95 == null ? '' : ` / ${show(p95)}`) + NBSP + (small ? 'ms' : 's');
  };
  const age = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    const [n, unit] = s < 60 ? [s, 's'] : s < 3600 ? [s / 60, 'min'] : s < 172800 ? [s / 3600, 'h'] : [s / 86400, 'd'];
    return Math.floor(n) + NBSP + unit;
  };
  const dollars = (usd) => (usd <= 0 ? '$0' : usd < 0.0001 ? 'under $0.0001' : '$' + usd.toFixed(usd < 0.01 ? 4 : 2));
  const figure = (key, f, target) => {
    if (key.endsWith('_rate')) {
      return f.n > 0 && f.value != null
        ? [percent(f.value), `${bare(f.low)}–${percent(f.high)} · n ${f.n}`, f.low > NOTABLE_SHARE]
        : [NONE, 'no attempt · n 0', false];
    }
    if (!(f.n > 0) || f.p50 == null) return [NONE, 'no reply · n 0', false];
    const late = key === 'ttft_ms' && target.soft_deadline_ms > 0 && f.p50 > target.soft_deadline_ms;
    return [key === 'output_tps' ? f.p50.toFixed(0) + ' tokens/s' : pair(f.p50, f.p95), `n ${f.n}`, late];
  };
  const AGES = 'time[data-age], .row time';
  const clock = (iso) => iso.slice(11, 19) + ' UTC';

  const STALE_MS = 15000, RETRY_MS = 5000, COPY_GAP_MS = 250, MARK_MS = 1000, FRESH_MS = 5000, CALM_MS = 20000;
  const targets = new Map();
  let skew = 0, asOf = '', instance = '', heard = 0, dirty = false, filter = '';

  const tick = () => {
    for (const time of all(AGES)) {
      put(time, age(Date.now() + skew - Date.parse(time.dateTime)));
      time.title = time.dateTime.replace('T', ' ').slice(0, 19) + ' UTC';
    }
    const sentence = $('#sentence').textContent.trim();
    if (document.title !== sentence) document.title = sentence;
    if (heard && Date.now() - heard > STALE_MS) lost();
  };
  const lost = () => {
    root.dataset.live = 'lost';
    put($('#notice'), `Connection lost: everything here is as of ${clock(asOf)}. Trying again.`);
    $('#notice').hidden = false;
    document.body.classList.add('stale');
  };
  const found = () => {
    root.dataset.live = 'on';
    $('#notice').hidden = true;
    document.body.classList.remove('stale');
  };

  const elementOf = (id) => all('[data-target]').find((e) => e.dataset.target === id);
  const mark = (id) => {
    const row = elementOf(id);
    row?.classList.add('changed');
    setTimeout(() => row?.classList.remove('changed'), MARK_MS);
  };

  // A fresh copy from the server: parts that differ are swapped, what had the focus keeps it.
  let copying = false, again = null, lastCopy = 0;
  const signature = (part) => {
    const twin = part.cloneNode(true);
    for (const time of all(AGES + ', time[data-second], #revision', twin)) time.textContent = '';
    return twin.className + twin.innerHTML;
  };
  const copy = async (moved) => {
    if (!$('main > :not([aria-live])[data-part], section [data-part]')) return;
    if (copying) { again = [...(again ?? []), ...moved]; return; }
    copying = true;
    try {
      await new Promise((done) => setTimeout(done, Math.max(0, lastCopy + COPY_GAP_MS - Date.now())));
      lastCopy = Date.now();
      const response = await fetch(location.href, { cache: 'no-store' });
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
      const focused = document.activeElement, key = focused?.getAttribute('href');
      for (const old of all('[data-part]')) {
        const part = $(`[data-part="${old.dataset.part}"]`, fresh);
        // Whoever walks the bars is not interrupted.
        if (!part || focused?.dataset.bars != null && old.contains(focused) || signature(part) === signature(old)) continue;
        old.className = part.className;
        old.replaceChildren(...part.childNodes);
      }
      if (key && !focused.isConnected) all('a[href]').find((a) => a.getAttribute('href') === key)?.focus({ preventScroll: true });
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
    for (const holder of all('[data-f]', element)) {
      const [value, note, hot] = figure(holder.dataset.f, target[holder.dataset.f] ?? {}, target);
      put($('b', holder) ?? holder.firstChild, value);
      put($('small', holder), note);
      holder.classList.toggle('hot', hot);
    }
    const last = $('[data-last] time', element);
    if (last && target.last_complete_at) last.dateTime = target.last_complete_at;
    if (element.dataset.state && element.dataset.state !== target.state) {
      element.dataset.state = target.state;
      $('use', element).setAttribute('href', '#' + target.state);
      put($('em', element), target.state);
      put($('.why', element), target.state === 'operational' ? '' : target.reason.text);
      $('time', element).dateTime = target.since;
    }
    return true;
  };
  const changed = (data, seenAt) => requestAnimationFrame(() => {
    const paintedAt = Date.now();
    root.dataset.lastDelayMs = paintedAt - Date.parse(data.generated_at);
    const detail = { revision: data.revision, generatedAt: data.generated_at, seenAt, paintedAt };
    document.dispatchEvent(new CustomEvent('endturn:change', { detail }));
  });

  const receive = (event) => {
    let data;
    try { data = JSON.parse(event.data); } catch { return; }
    let stale = instance !== data.instance || event.type === 'incident' || data.network !== $('[data-network]')?.dataset.network;
    instance = data.instance;
    heard = Date.now();
    asOf = data.generated_at;
    skew = Date.parse(asOf) - heard;
    found();
    put($('#revision'), String(data.revision));
    put($('#generated'), clock(asOf));
    $('#generated').dateTime = asOf;
    const moved = (data.transitions ?? []).map((t) => t.target);
    for (const target of data.targets ?? []) {
      const before = targets.get(target.id);
      if (before && (before.state !== target.state || before.since !== target.since)) moved.push(target.id);
      targets.set(target.id, target);
      dirty = true;
      if (!show(target) && !filter && $('.row')) stale = true;
    }
    if (!filter && targets.size) put($('#spent'), dollars([...targets.values()].reduce((sum, t) => sum + t.spent_usd_today, 0)));
    if (event.type === 'snapshot' && data.revision !== Number(document.body.dataset.revision)) stale = true;
    if (moved.length) changed(data, heard);
    if (stale || moved.length) copy([...new Set(moved)]);
  };
  const connect = () => {
    const source = new EventSource('/v1/events' + (filter && `?targets=${encodeURIComponent(filter)}`));
    for (const kind of ['snapshot', 'health', 'incident', 'heartbeat']) source.addEventListener(kind, receive);
    source.onerror = () => {
      lost();
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
    };
  };

  document.addEventListener('DOMContentLoaded', () => {
    restoreTheme();
    $('[data-theme-toggle]').addEventListener('click', () => {
      const next = root.dataset.theme === 'dark' ? 'light' : 'dark';
      chosen(next === systems() ? '' : next);
      showTheme(next);
    });
    asOf = document.body.dataset.generated;
    instance = document.body.dataset.instance;
    skew = Date.parse(asOf) - Date.now();
    filter = $('[data-only]')?.dataset.only ?? '';
    setInterval(() => {
      tick();
      // Pictures, tables, reasons and the sentence grow old quietly; slowly where all is well.
      const ill = filter || $('.row:not([data-state="operational"])');
      if (dirty && !document.hidden && Date.now() >= lastCopy + (ill ? FRESH_MS : CALM_MS)) copy([]);
    }, 1000);
    lastCopy = Date.now() - COPY_GAP_MS;
    connect();
  });
})();
