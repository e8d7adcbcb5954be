// The bars of the overview: the pointer and the arrow keys name a day. The words come from the server once somebody asks.
'use strict';
(() => {
  const DAYS = 90, WEEK = 7, KEEP_MS = 60000;
  const known = new Map();
  let tip, pin, at = '';

  const words = async (row) => {
    const kept = known.get(row.pathname);
    if (kept && Date.now() - kept.read < KEEP_MS) return kept.days;
    const response = await fetch(row.pathname.replace('/targets', '/days'), { cache: 'no-store' });
    const days = response.ok ? await response.json() : [];
    known.set(row.pathname, { read: Date.now(), days });
    return days;
  };
  const rowOf = (bars) => bars.parentElement.querySelector('.row');
  const pictureOf = (bars) => bars.querySelector('svg').getBoundingClientRect();
  const first = (bars) => Math.round((bars.getBoundingClientRect().left - pictureOf(bars).left) / pictureOf(bars).width * DAYS);
  const place = (element, left, top, width, height) => {
    for (const [name, value] of Object.entries({ left, top, width, height })) element.style[name] = value == null ? '' : value + 'px';
    element.hidden = false;
  };
  const hush = () => { at = ''; tip.hidden = pin.hidden = true; };
  const tell = async (bars, day) => {
    const row = rowOf(bars), mine = at = row.pathname + day;
    let days;
    try { days = await words(row); } catch { return; }
    if (at !== mine || !bars.isConnected) return;
    const text = days[day] ?? '', picture = pictureOf(bars), width = picture.width / DAYS;
    const left = picture.left + scrollX + day * width, top = picture.top + scrollY;
    tip.textContent = text;
    place(pin, left - 2, top - 2, width * 0.67 + 4, picture.height + 4);
    place(tip, 0, 0);
    const most = document.documentElement.clientWidth - tip.offsetWidth - 8;
    place(tip, Math.max(8, Math.min(most, left - tip.offsetWidth / 2)), top - tip.offsetHeight - 8 < scrollY ? top + picture.height + 8 : top - tip.offsetHeight - 8);
    if (bars.getAttribute('role') === 'slider') {
      bars.setAttribute('aria-valuenow', day + 1);
      bars.setAttribute('aria-valuetext', text.replaceAll('\n', ', '));
    }
  };

  // Entered with an arrow key from its row, left with Escape or by going on: then the row is the tab stop again.
  const enter = (bars) => {
    rowOf(bars).tabIndex = -1;
    bars.tabIndex = 0;
    bars.setAttribute('role', 'slider');
    bars.setAttribute('aria-label', `${DAYS} days, ${bars.querySelector('small').textContent}`);
    bars.setAttribute('aria-valuemin', first(bars) + 1);
    bars.setAttribute('aria-valuemax', DAYS);
    bars.dataset.day = DAYS - 1;
    bars.setAttribute('aria-valuenow', DAYS);
    bars.focus();
    tell(bars, DAYS - 1);
  };
  const leave = (bars) => {
    rowOf(bars)?.removeAttribute('tabindex');
    for (const name of ['tabindex', 'role', 'aria-label', 'aria-valuemin', 'aria-valuemax', 'aria-valuenow', 'aria-valuetext', 'data-day']) bars.removeAttribute(name);
    hush();
  };
  const walk = (event) => {
    const focused = document.activeElement;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (focused?.matches('a.row') && /^Arrow(Left|Right)$/.test(event.key)) {
      event.preventDefault();
      enter(focused.parentElement.querySelector('[data-bars]'));
    } else if (focused?.matches('[data-bars]')) {
      const day = Number(focused.dataset.day), least = first(focused);
      const to = {
        ArrowLeft: day - 1, ArrowDown: day - 1, ArrowRight: day + 1, ArrowUp: day + 1,
        PageDown: day - WEEK, PageUp: day + WEEK, Home: least, End: DAYS - 1,
      }[event.key];
      if (to != null) {
        focused.dataset.day = Math.max(least, Math.min(DAYS - 1, to));
        tell(focused, Number(focused.dataset.day));
      } else if (event.key === 'Escape') rowOf(focused).focus();
      else if (event.key === 'Enter') rowOf(focused).click();
      else return;
      event.preventDefault();
    }
  };

  document.addEventListener('DOMContentLoaded', () => {
    if (!document.querySelector('[data-bars]')) return;
    [tip, pin] = ['tip', 'pin'].map((id) => document.body.appendChild(Object.assign(document.createElement('div'), { id, hidden: true })));
    tip.setAttribute('aria-hidden', 'true');
    document.addEventListener('keydown', walk);
    document.addEventListener('focusout', (event) => { if (event.target.matches?.('[data-bars]')) leave(event.target); });
    document.addEventListener('pointermove', (event) => {
      if (document.activeElement?.matches('[data-bars]')) return;
      const bars = event.target.closest?.('.rows li')?.querySelector('[data-bars]');
      if (!bars) { if (at) hush(); return; }
      const picture = pictureOf(bars);
      const day = Math.floor((event.clientX - picture.left) / picture.width * DAYS);
      const over = day >= first(bars) && day < DAYS && event.clientY >= picture.top - 4 && event.clientY <= picture.bottom + 4;
      if (!over) { if (at) hush(); } else if (at !== rowOf(bars).pathname + day) tell(bars, day);
    });
    document.addEventListener('endturn:copied', () => { if (!document.activeElement?.matches('[data-bars]')) hush(); });
  });
})();
