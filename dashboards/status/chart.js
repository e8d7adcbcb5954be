// One cursor through all charts of a target's page, and its time ranges. The figures come with each chart (data-v); the
// server has drawn everything, so without this script nothing is missing but the cursor.
(() => {
  const NBSP = '\u00a0', PAGE = 10;
  const two = (n) => String(n).padStart(2, '0');
  const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
  const length = (ms) => (ms < 10 ? `${ms.toFixed(1)}${NBSP}ms` : ms < 999.5 ? `${ms.toFixed(0)}${NBSP}ms`
    : `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)}${NBSP}s`);
  const share = (tenths) => (tenths < 100 && tenths % 10 ? (tenths / 10).toFixed(1) : (tenths / 10).toFixed(0));
  let picked = null; // the chosen step's beginning in milliseconds: it stays while time goes on
  let hovered = false;

  const board = () => document.querySelector('[data-board]');
  const facts = () => { const d = board().dataset; return { from: +d.from, step: +d.step, steps: +d.steps }; };
  const clock = (ms, day) => {
    const t = new Date(ms), time = `${two(t.getUTCHours())}:${two(t.getUTCMinutes())}`;
    return day ? `${t.getUTCDate()} ${MONTHS[t.getUTCMonth()]} ${time}` : time;
  };

  // "median 412 ms · 95 % 903 ms · n 30" of one entry of a chart.
  const words = (figure, entry) => {
    if (!entry) return 'nothing seen';
    const values = entry.split(',');
    const parts = [];
    for (const field of figure.dataset.k.split('|')) {
      const [name, unit] = field.split('=');
      if (unit === 'rate') {
        const [value, low, high] = values.splice(0, 3);
        parts.push(value === '' ? `${name} –` : `${name} ${share(+value)}${NBSP}% (${share(+low)}–${share(+high)})`);
        continue;
      }
      const value = values.shift();
      if (value === '' || (unit === 'c' && value === '0')) continue;
      parts.push(unit === 'ms' ? `${name} ${length(+value)}` : `${name} ${value}`);
    }
    return parts.join(' · ');
  };

  const show = () => {
    const slider = document.querySelector('[data-cursor]');
    if (!slider) return;
    const root = slider.closest('section');
    const here = board() && facts();
    const index = here && picked !== null ? Math.floor((picked - here.from) / here.step) : -1;
    const on = here && index >= 0 && index < here.steps;
    root.classList.add('live');
    root.classList.toggle('picked', !!on);
    for (const line of root.querySelectorAll('.cut')) line.remove();
    const idle = 'Point at a chart, or ← →';
    if (!on) {
      slider.textContent = here ? idle : '';
      slider.setAttribute('aria-valuetext', 'none chosen');
      return;
    }
    const days = here.step * here.steps > 90000000;
    const said = {};
    for (const figure of root.querySelectorAll('[data-chart]')) {
      const { g, o, v } = figure.dataset;
      const text = words(figure, v.split(';')[Math.floor((index + +o) / g)]);
      const first = Math.max(0, Math.floor((index + +o) / g) * g - o);
      const at = clock(here.from + first * here.step, days);
      figure.querySelector('[data-readout]').textContent = `${at} · ${text}`;
      said[figure.dataset.chart] = text;
      const picture = figure.querySelector('.in'), box = picture.viewBox.baseVal;
      const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
      line.setAttribute('class', 'cut');
      line.setAttribute('d', `M${index * 2 + 1} 0V${box.height}`);
      picture.append(line);
    }
    const at = clock(here.from + index * here.step, days);
    slider.textContent = `${at} UTC`;
    slider.setAttribute('aria-valuemax', here.steps);
    slider.setAttribute('aria-valuenow', index + 1);
    slider.setAttribute('aria-valuetext', `${at} UTC: ${said.verdicts}; first token ${said.ttft}`);
  };

  const pick = (index) => {
    const { from, step, steps } = facts();
    picked = from + Math.min(steps - 1, Math.max(0, index)) * step;
    show();
  };
  const drop = () => { picked = null; show(); };

  // Another range: its charts are fetched and put in place; where that fails, the browser follows the link.
  const swap = async (link) => {
    try {
      const response = await fetch(link.href, { cache: 'no-store' });
      const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
      const part = fresh.querySelector('[data-part="charts"]');
      if (!response.ok || !part) throw new Error();
      document.querySelector('[data-part="charts"]').replaceChildren(...part.childNodes);
      for (const other of document.querySelectorAll('[data-range]')) other.toggleAttribute('aria-current', false);
      link.setAttribute('aria-current', 'true');
      history.replaceState(null, '', link.href);
      drop();
    } catch { location.assign(link.href); }
  };

  const move = (event) => {
    const steps = board() && facts().steps;
    const index = picked === null ? steps - 1 : Math.floor((picked - facts().from) / facts().step);
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: PAGE, PageDown: -PAGE }[event.key];
    if (by) pick(picked === null ? steps - 1 : index + by);
    else if (event.key === 'Home') pick(0);
    else if (event.key === 'End') pick(steps - 1);
    else return false;
    return true;
  };

  document.addEventListener('DOMContentLoaded', () => {
    const slider = document.querySelector('[data-cursor]');
    if (!slider) return;
    show();
    document.addEventListener('endturn:copied', show);
    slider.addEventListener('keydown', (event) => {
      if (board() && move(event)) event.preventDefault();
    });
    document.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea, select')) return;
      if (event.key === 'Escape') drop();
      const link = document.querySelectorAll('[data-range]')[event.key - 1];
      if (link) swap(link);
    });
    document.addEventListener('click', (event) => {
      const link = event.target.closest('[data-range]');
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      swap(link);
    });
    const point = (event) => {
      const picture = event.target.closest?.('.plot .in');
      if (!picture) {
        if (hovered && event.pointerType === 'mouse' && !event.target.closest('[data-board]')) { hovered = false; drop(); }
        return;
      }
      const box = picture.getBoundingClientRect();
      hovered = true;
      pick(Math.floor((event.clientX - box.left) / box.width * facts().steps));
    };
    document.addEventListener('pointermove', point);
    document.addEventListener('pointerdown', point);
  });
})();
