// One cursor through all charts of a target's page, and its time ranges. The figures come with each chart (data-v);
// everything is drawn by the server, so without this script nothing is missing but the cursor.
(() => {
  const NBSP = '\u00a0', DAY_MS = 86400000, KEYS = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 };
  const all = (selector, within = document) => within.querySelectorAll(selector);
  const one = (selector, within = document) => within.querySelector(selector);
  const length = (ms) => (ms < 999.5 ? ms.toFixed(ms < 10 ? 1 : 0) + NBSP + 'ms' : (ms / 1000).toFixed(ms < 9950 ? 1 : 0) + NBSP + 's');
  const share = (tenths) => String(Number((tenths / 10).toFixed(tenths < 100 ? 1 : 0)));
  // The chosen moment: it stays chosen while the charts move on beneath it.
  let chosen = null;

  const axis = () => {
    const { from, step, steps } = one('[data-board]')?.dataset ?? {};
    return from && { from: +from, step: +step, steps: +steps };
  };
  const clock = ({ step, steps }, ms) => {
    const text = new Date(ms).toUTCString(); // Sun, 22 Nov 2026 07:44:00 GMT
    return (step * steps > DAY_MS * 1.1 ? text.slice(5, 11) + ' ' : '') + text.slice(17, 22);
  };

  // "median 412 ms · 95 % 903 ms · n 30" of one entry of a chart.
  const words = (fields, entry) => {
    if (!entry) return 'nothing seen';
    const figures = entry.split(',');
    return fields.split('|').map((field) => {
      const [name, unit] = field.split('='), figure = figures.shift();
      if (unit === 'rate') {
        const [low, high] = figures.splice(0, 2);
        return figure && `${name} ${share(figure)}${NBSP}% (${share(low)}–${share(high)})`;
      }
      if (unit === 'c' && figure === '0') return '';
      return figure && `${name} ${unit === 'ms' ? length(+figure) : figure}`;
    }).filter(Boolean).join(' · ');
  };

  const show = () => {
    const slider = one('[data-cursor]'), room = slider.closest('section'), a = axis();
    const index = a && chosen !== null ? Math.floor((chosen - a.from) / a.step) : -1;
    const on = index >= 0 && index < a.steps, said = {};
    room.classList.add('live');
    room.classList.toggle('picked', on);
    all('.cut', room).forEach((line) => line.remove());
    for (const figure of on ? all('[data-chart]', room) : []) {
      const { chart, k, v, g, o } = figure.dataset, entry = Math.floor((index + +o) / g);
      said[chart] = words(k, v.split(';')[entry]);
      one('[data-readout]', figure).textContent = `${clock(a, a.from + Math.max(0, entry * g - o) * a.step)} · ${said[chart]}`;
      const picture = one('.in', figure), line = document.createElementNS(picture.namespaceURI, 'path');
      line.setAttribute('class', 'cut');
      line.setAttribute('d', `M${index * 2 + 1} 0V${picture.viewBox.baseVal.height}`);
      picture.append(line);
    }
    const at = on && clock(a, a.from + index * a.step) + ' UTC';
    slider.textContent = at || (a ? 'Point at a chart, or ← →' : '');
    slider.setAttribute('aria-valuenow', on ? index + 1 : a?.steps ?? 1);
    slider.setAttribute('aria-valuetext', on ? `${at}: ${said.verdicts}; first token ${said.ttft}` : 'none chosen');
  };
  const choose = (index) => {
    const a = axis();
    chosen = a && index !== null ? a.from + Math.min(a.steps - 1, Math.max(0, index)) * a.step : null;
    show();
  };

  // Another range: its charts are put in the place of these; where that fails, the browser follows the link.
  const go = async (link) => {
    try {
      const response = await fetch(link.href, { cache: 'no-store' });
      const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
      const slider = one('[data-cursor]'), was = document.activeElement?.dataset.range;
      for (const name of ['[data-part="charts"]', '[data-part="lines"]', '.ranges nav']) one(name).replaceChildren(...one(name, fresh).childNodes);
      slider.setAttribute('aria-valuemax', axis()?.steps ?? 1);
      history.replaceState(null, '', link.href);
      if (was) one('[data-range][aria-current]').focus({ preventScroll: true });
      choose(null);
    } catch { location.assign(link.href); }
  };

  document.addEventListener('DOMContentLoaded', () => {
    const slider = one('[data-cursor]');
    if (!slider) return;
    show();
    const on = (kind, listen) => document.addEventListener(kind, listen);
    on('endturn:copied', show);
    on('keydown', (event) => {
      const a = axis();
      if (event.ctrlKey || event.metaKey || event.altKey || !a) return;
      const link = all('[data-range]')[event.key - 1];
      if (link) go(link);
      if (event.key === 'Escape') choose(null);
      if (document.activeElement !== slider) return;
      const index = chosen === null ? a.steps : Math.floor((chosen - a.from) / a.step);
      const next = event.key === 'Home' ? 0 : event.key === 'End' ? a.steps - 1 : index + KEYS[event.key];
      if (next >= 0 || next < 0) { event.preventDefault(); choose(next); }
    });
    on('click', (event) => {
      const link = event.target.closest('[data-range]');
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(link);
    });
    const point = (event) => {
      const picture = event.target.closest?.('.plot .in'), box = picture?.getBoundingClientRect();
      if (picture) choose(Math.floor((event.clientX - box.left) / box.width * axis().steps));
      else if (event.pointerType === 'mouse' && chosen !== null && document.activeElement !== slider && !event.target.closest?.('[data-board]')) choose(null);
    };
    on('pointermove', point);
    on('pointerdown', point);
  });
})();
