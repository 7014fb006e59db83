// What pages do beyond links and forms: news as they come, and keys. Every page works without it.
//
// An element with an id and data-live="alerts rules" is fetched anew, from the page's own address, when one of these topics
// moves, and put in place of the old one. What the reader has open, typed, selected or focused in it stays.
(() => {
  'use strict';
  const base = new URL(document.currentScript.src).pathname.replace(/assets\/app\.js$/, '');
  const live = () => [...document.querySelectorAll('[data-live][id]')];
  const topics = (element) => element.dataset.live.split(/\s+/);
  const editable = (element) => element.matches('input, textarea, select, [contenteditable]');

  // News.
  const LEAST_PAUSE = 1000, LONGEST_WAIT = 60000;
  const pulse = document.getElementById('pulse');
  const known = new Map(), moved = new Set();
  let source = null, retry = null, wait = 2000, busy = false, timer = null;

  for (const pair of (document.body.dataset.generations || '').split(' ')) {
    const [topic, generation] = pair.split('=');
    if (generation) known.set(topic, generation);
  }

  function say(state, text) {
    if (!pulse || pulse.dataset.state === state) return;
    pulse.dataset.state = state;
    pulse.textContent = text;
    pulse.hidden = false;
  }

  function connect() {
    clearTimeout(retry);
    if (source || document.hidden || live().length === 0) return;
    source = new EventSource(base + 'events');
    source.onopen = () => { wait = 2000; say('live', 'Live'); };
    source.onerror = () => {
      say('waiting', 'Reconnecting');
      // The browser tries again by itself, but not where it was refused.
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        retry = setTimeout(connect, wait);
        wait = Math.min(wait * 2, LONGEST_WAIT);
      }
    };
    for (const topic of ['alerts', 'rules', 'targets', 'silences', 'status']) {
      source.addEventListener(topic, (event) => hear(topic, event.data));
    }
  }

  function disconnect() {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
  }

  function hear(topic, generation) {
    if (known.get(topic) === generation) return;
    known.set(topic, generation);
    moved.add(topic);
    if (!timer && !busy) timer = setTimeout(refresh, 0);
  }

  async function refresh() {
    timer = null;
    const due = live().filter((element) => topics(element).some((topic) => moved.has(topic)));
    if (busy || document.hidden) return;
    moved.clear();
    if (due.length === 0) return;
    busy = true;
    const began = performance.now();
    const address = location.pathname + location.search;
    try {
      const answer = await fetch(address, { headers: { accept: 'text/html' }, cache: 'no-store' });
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) {
        disconnect();
        say('waiting', 'Signed out');
        return;
      }
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
        if (address === location.pathname + location.search) {
          document.title = page.title;
          for (const old of due) swap(old, page.getElementById(old.id));
        }
      }
    } catch {
      // The stream says so as well, and comes back.
      say('waiting', 'Reconnecting');
    } finally {
      busy = false;
      // Never more than a tenth of the server's time.
      const pause = Math.max(LEAST_PAUSE, 10 * (performance.now() - began));
      timer = setTimeout(refresh, pause);
    }
  }

  function swap(old, next) {
    if (!next || !old.isConnected || old.parentElement.closest('[data-live][id]')) return;
    const selection = document.getSelection();
    if (selection && !selection.isCollapsed && old.contains(selection.anchorNode)) {
      // Somebody is copying.
      topics(old).forEach((topic) => moved.add(topic));
      return;
    }
    next = document.importNode(next, true);
    keep(old, next, 'details', (from, to) => { to.open = from.open; });
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    const here = old.querySelector('[data-here]');
    if (here) twin(old, next, here, 'tr')?.setAttribute('data-here', '');
    if (old.isEqualNode(next)) return;
    const scrolled = [...old.querySelectorAll('.scroll')].map((element) => element.scrollLeft);
    const place = focus && twin(old, next, focus, focus.localName);
    const caret = place && 'selectionStart' in focus ? [focus.selectionStart, focus.selectionEnd] : null;
    keep(old, next, 'input, textarea, select', (from, to) => {
      if (from.type === 'checkbox' || from.type === 'radio') {
        if (from.checked !== from.defaultChecked) to.checked = from.checked;
      } else if (from.type !== 'hidden' && (from === focus || from.value !== (from.defaultValue ?? from.value))) {
        to.value = from.value;
      }
    });
    old.replaceWith(next);
    [...next.querySelectorAll('.scroll')].forEach((element, n) => { element.scrollLeft = scrolled[n] || 0; });
    if (place) {
      if (place.localName === 'tr') place.tabIndex = -1;
      place.focus({ preventScroll: true });
      if (caret && caret[0] !== null) place.setSelectionRange(...caret);
    }
  }

  // What an element is known by in the old and the new page.
  function mark(element) {
    if (element.id) return '#' + element.id;
    if (element.localName === 'tr') return element.dataset.row || element.querySelector('th, td')?.textContent;
    if (element.localName === 'details') return element.querySelector('summary strong, summary')?.textContent;
    return [element.name, element.value && element.type !== 'text' ? element.value : '', element.getAttribute('href'),
      element.form?.querySelector('[name=id]')?.value].join('|');
  }

  function twin(old, next, element, selector) {
    const same = (candidate) => mark(candidate) === mark(element);
    const place = [...old.querySelectorAll(selector)].filter(same).indexOf(element);
    return [...next.querySelectorAll(selector)].filter(same)[place];
  }

  function keep(old, next, selector, copy) {
    for (const from of old.querySelectorAll(selector)) {
      const to = twin(old, next, from, selector);
      if (to) copy(from, to);
    }
  }

  document.addEventListener('visibilitychange', () => {
    if (document.hidden) disconnect();
    else { connect(); if (moved.size && !timer) timer = setTimeout(refresh, 0); }
  });
  addEventListener('pagehide', disconnect);
  addEventListener('pageshow', connect);

  // Keys.
  const links = () => [...document.querySelectorAll('nav [data-key]')];
  let going = -Infinity;

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (editable(event.target) || document.querySelector('dialog[open]')) {
      if (event.key === 'Escape' && editable(event.target)) event.target.blur();
      return;
    }
    const went = performance.now() - going < 1500;
    going = -Infinity;
    if (went) {
      const link = links().find((link) => link.dataset.key === event.key);
      if (link) { event.preventDefault(); link.click(); }
    } else if (event.key === 'g') {
      going = performance.now();
    } else if (event.key === '/') {
      const filter = document.querySelector('main [data-filter], main input[type=search], main textarea');
      if (filter) { event.preventDefault(); filter.focus(); filter.select(); }
    } else if (event.key === 'j' || event.key === 'k') {
      step(event.key === 'j' ? 1 : -1);
    } else if (event.key === 'Enter' && event.target.localName === 'tr') {
      event.target.querySelector('a[href]')?.click();
    } else if (event.key === '?') {
      help();
    }
  });

  function step(by) {
    const rows = [...document.querySelectorAll('main tbody tr')].filter((row) => row.offsetParent !== null);
    if (rows.length === 0) return;
    const at = rows.findIndex((row) => row.hasAttribute('data-here'));
    const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
    if (at >= 0) rows[at].removeAttribute('data-here');
    row.setAttribute('data-here', '');
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: 'nearest' });
  }

  function help() {
    const element = (name, text) => Object.assign(document.createElement(name), { textContent: text || '' });
    const dialog = element('dialog'), list = element('dl');
    const keys = [['/', 'Go to the filter'], ['j k', 'Next and previous row'], ['Enter', 'Open the row'],
      ...links().map((link) => ['g ' + link.dataset.key, link.textContent]), ['?', 'This list']];
    for (const [key, text] of keys) {
      const term = element('dt');
      key.split(' ').forEach((part) => term.append(element('kbd', part), ' '));
      list.append(term, element('dd', text));
    }
    const form = Object.assign(element('form'), { method: 'dialog' });
    const title = Object.assign(element('h2', 'Keys'), { id: 'keys-title' });
    dialog.className = 'keys';
    dialog.setAttribute('aria-labelledby', title.id);
    form.append(element('button', 'Close'));
    dialog.append(title, list, form);
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  connect();
})();
