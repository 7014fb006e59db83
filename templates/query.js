// The query page beyond its form: completion while typing, a readout under the pointer, and the queries typed before.
// Every part of the page works without it. What it asks for are the query API's own paths, at most 200 answers each time.
(() => {
  'use strict';
  const base = new URL(document.currentScript.src).pathname.replace(/assets\/query\.js$/, '');
  const form = document.getElementById('query');
  const fields = form ? [...form.querySelectorAll('.expression textarea')] : [];
  if (fields.length === 0) return;
  const LIMIT = 200, SHOWN = 50, PAUSE = 120, MAX_LENGTH = 20000;

  const element = (name, attributes, text) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = String(text).replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
    return made;
  };

  // Asking. Answers are kept; the oldest go.
  const kept = new Map();
  function ask(path, parameters) {
    const address = base + path + (parameters ? '?' + new URLSearchParams(parameters) : '');
    if (!kept.has(address)) {
      const answer = fetch(address, { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(5000) })
        .then((response) => (response.ok ? response.json() : null))
        .catch(() => null);
      answer.then((found) => { if (!found) kept.delete(address); });
      kept.set(address, answer);
      if (kept.size > 100) kept.delete(kept.keys().next().value);
    }
    return kept.get(address);
  }
  const data = async (path, parameters) => ((await ask(path, parameters)) || {}).data;
  const words = async () => (await ask('assets/promql.json')) || [];
  const literal = (text) => text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
  const quoted = (text) => '"' + text.replace(/["\\]/g, '\\$&').replace(/\n/g, '\\n') + '"';

  // Where the caret stands: in a name, in braces, in a label's value.
  function place(text, caret) {
    const before = text.slice(Math.max(0, caret - 4000), caret);
    let inside = null, quote = null, start = 0, brace = -1;
    for (let i = 0; i < before.length; i++) {
      const c = before[i];
      if (quote) {
        if (c === '\\' && quote !== '`') i++;
        else if (c === quote) quote = null;
      } else if (c === '"' || c === "'" || c === '`') { quote = c; start = i + 1; }
      else if (c === '#') { const end = before.indexOf('\n', i); if (end < 0) return null; i = end; }
      else if (c === '{') { inside = 'labels'; brace = i; }
      else if (c === '}') { inside = null; brace = -1; }
      else if (c === '[') inside = 'range';
      else if (c === ']') inside = null;
    }
    const metric = brace < 0 ? '' : (before.slice(0, brace).match(/([A-Za-z_:][\w:]*)\s*$/) || [])[1] || '';
    if (quote) {
      const label = inside === 'labels' && (before.slice(0, start - 1).match(/([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)\s*$/) || [])[1];
      return label ? { kind: 'value', label, metric, word: before.slice(start), quote } : null;
    }
    if (inside === 'range') return { kind: 'range', word: (before.match(/[\w]*$/) || [''])[0], metric };
    const word = (before.match(/[A-Za-z_:][\w:]*$/) || [''])[0];
    if (inside === 'labels') return { kind: 'label', metric, word };
    const grouping = before.match(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)$/);
    if (grouping) return { kind: 'label', metric: (text.match(/([A-Za-z_:][\w:]*)\s*[{[]/) || [])[1] || '', word };
    return { kind: 'name', word };
  }

  const selector = (metric) => (metric ? { 'match[]': '{__name__=' + quoted(metric) + '}' } : {});
  // What begins with the word first, then what holds it.
  function ranked(names, word) {
    const low = word.toLowerCase();
    const at = (name) => name.toLowerCase().indexOf(low);
    return names.filter((name) => at(name) >= 0).sort((a, b) => (at(a) > 0) - (at(b) > 0) || a.length - b.length || (a < b ? -1 : 1));
  }

  async function offers(at) {
    const word = at.word;
    if (at.kind === 'range') {
      return ['1m', '5m', '10m', '30m', '1h', '1d'].filter((text) => text.startsWith(word)).map((text) => ({ text, kind: 'duration' }));
    }
    if (at.kind === 'value') {
      const query = { limit: LIMIT, ...selector(at.metric) };
      if (word.length > 1) query['match[]'] = '{' + (at.metric ? '__name__=' + quoted(at.metric) + ',' : '') + at.label + '=~' + quoted('(?i).*' + literal(word) + '.*') + '}';
      const values = (await data('api/v1/label/' + encodeURIComponent(at.label) + '/values', query)) || [];
      return ranked(values, word).map((text) => ({ text, kind: 'value' }));
    }
    if (at.kind === 'label') {
      const names = (await data('api/v1/labels', { limit: LIMIT, ...selector(at.metric) })) || [];
      return ranked(names.filter((name) => name !== '__name__'), word).map((text) => ({ text, kind: 'label' }));
    }
    if (word.length < 1) return [];
    const query = { limit: LIMIT, 'match[]': '{__name__=~' + quoted('(?i).*' + literal(word) + '.*') + '}' };
    const [known, names] = await Promise.all([words(), data('api/v1/label/__name__/values', query)]);
    const low = word.toLowerCase();
    const language = known.filter((one) => one.name.startsWith(low) && one.name !== low)
      .map((one) => ({ text: one.name, kind: one.kind, form: one.form, help: one.help }));
    const metrics = ranked(names || [], word).filter((name) => name !== word).map((text) => ({ text, kind: 'metric' }));
    return language.slice(0, 8).concat(metrics);
  }

  // The list: a listbox beside a text field, as the ARIA practices for comboboxes have it.
  function complete(field, number) {
    const list = element('ul', { id: 'offers-' + number, class: 'offers', role: 'listbox', 'aria-label': 'Completions' });
    const said = element('p', { class: 'offered', 'aria-live': 'polite' });
    const KEYS = number ? '' : 'Enter runs it, Shift+Enter begins a line, Ctrl+Space completes.';
    said.textContent = KEYS;
    list.hidden = true;
    field.parentNode.append(list);
    field.parentNode.after(said);
    for (const [key, value] of [['role', 'combobox'], ['aria-autocomplete', 'list'], ['aria-expanded', 'false'], ['aria-controls', 'offers-' + number], ['aria-haspopup', 'listbox']]) field.setAttribute(key, value);
    let shown = [], chosen = -1, current = null, turn = 0, timer = null;

    function close() {
      turn++;
      clearTimeout(timer);
      list.hidden = true;
      list.replaceChildren();
      shown = []; chosen = -1;
      field.setAttribute('aria-expanded', 'false');
      field.removeAttribute('aria-activedescendant');
      said.textContent = KEYS;
    }

    function choose(index) {
      if (list.children[chosen]) list.children[chosen].setAttribute('aria-selected', 'false');
      chosen = index;
      const item = list.children[index];
      if (!item) return;
      item.setAttribute('aria-selected', 'true');
      item.scrollIntoView({ block: 'nearest' });
      field.setAttribute('aria-activedescendant', item.id);
      describe(shown[index]);
    }

    async function describe(offer) {
      said.textContent = offer.help ? offer.form + ': ' + offer.help : '';
      if (offer.kind !== 'metric') return;
      const asked = turn;
      const names = [offer.text, offer.text.replace(/_(bucket|count|sum|total|created)$/, '')];
      for (const metric of new Set(names)) {
        const found = ((await data('api/v1/metadata', { metric })) || {})[metric];
        if (asked !== turn || shown[chosen] !== offer) return;
        if (found && found[0]) {
          said.textContent = [found[0].type, found[0].unit, found[0].help].filter(Boolean).join(', ');
          return;
        }
      }
    }

    // Where the caret is drawn: a copy of the field's text up to it says.
    function caretPlace() {
      const style = getComputedStyle(field);
      const copy = element('div', { 'aria-hidden': 'true' });
      for (const name of ['fontFamily', 'fontSize', 'lineHeight', 'letterSpacing', 'paddingTop', 'paddingLeft', 'paddingRight', 'borderTopWidth', 'borderLeftWidth', 'tabSize']) copy.style[name] = style[name];
      Object.assign(copy.style, { position: 'absolute', visibility: 'hidden', whiteSpace: 'pre-wrap', overflowWrap: 'break-word', width: field.clientWidth + 'px', boxSizing: 'border-box', top: '0', left: '0' });
      copy.textContent = field.value.slice(0, field.selectionStart - (current ? current.word.length : 0));
      const mark = element('span', {}, '\u200b');
      copy.append(mark);
      field.parentNode.append(copy);
      const at = { left: mark.offsetLeft, top: mark.offsetTop + mark.offsetHeight - field.scrollTop };
      copy.remove();
      return at;
    }

    async function open() {
      const asked = ++turn;
      if (field.value.length > MAX_LENGTH || field.selectionStart !== field.selectionEnd) return close();
      const at = place(field.value, field.selectionStart);
      const found = at ? (await offers(at)).slice(0, SHOWN) : [];
      if (asked !== turn) return;
      if (found.length === 0 || document.activeElement !== field) return close();
      current = at; shown = found; chosen = -1;
      list.replaceChildren(...found.map((offer, index) => {
        const item = element('li', { id: 'offer-' + number + '-' + index, role: 'option', 'aria-selected': 'false' }, offer.text);
        item.append(element('span', {}, offer.kind));
        return item;
      }));
      list.hidden = false;
      const { left, top } = caretPlace();
      list.style.top = Math.min(top, field.offsetHeight) + 4 + 'px';
      list.style.left = Math.max(0, Math.min(left, field.offsetWidth - list.offsetWidth)) + 'px';
      field.setAttribute('aria-expanded', 'true');
      choose(0);
    }

    function take(offer) {
      let text = offer.text;
      let move = 0;
      const end = field.selectionStart, begin = end - current.word.length;
      const after = field.value.slice(end);
      if (current.kind === 'value') {
        if (current.quote !== '`') text = text.replace(/[\\\n]/g, (c) => (c === '\n' ? '\\n' : '\\\\')).replaceAll(current.quote, '\\' + current.quote);
        if (!after.startsWith(current.quote)) text += current.quote;
        else move = 1;
      } else if (current.kind === 'label' && !/^\s*(=|!|,|\))/.test(after) && current.metric !== '' && field.value.slice(0, begin).lastIndexOf('{') > field.value.slice(0, begin).lastIndexOf('(')) {
        text += '=""';
        move = -1;
      } else if (current.kind === 'range' && !after.startsWith(']')) text += ']';
      else if ((offer.kind === 'function' || offer.kind === 'aggregation') && !/^\s*[({]/.test(after)) {
        text += '()';
        move = -1;
      } else if (offer.kind === 'keyword') text += ' ';
      field.setSelectionRange(begin, end);
      // So that it can be undone; where the browser has that no longer, as plain text.
      if (!document.execCommand('insertText', false, text)) field.setRangeText(text, begin, end, 'end');
      const caret = begin + text.length + move;
      field.setSelectionRange(caret, caret);
      close();
      if (current.kind === 'label' || offer.kind === 'function') soon();
    }

    function soon() {
      clearTimeout(timer);
      timer = setTimeout(open, PAUSE);
    }

    field.addEventListener('input', (event) => { if (!event.isComposing) soon(); });
    field.addEventListener('blur', () => setTimeout(close, 150));
    field.addEventListener('click', close);
    list.addEventListener('mousedown', (event) => {
      event.preventDefault();
      const item = event.target.closest('li');
      if (item) take(shown[[...list.children].indexOf(item)]);
    });
    field.addEventListener('keydown', (event) => {
      if (event.isComposing) return;
      if (event.key === ' ' && event.ctrlKey) { event.preventDefault(); open(); return; }
      if (list.hidden) {
        if (event.key === 'Enter' && !event.shiftKey) {
          event.preventDefault();
          form.requestSubmit(form.querySelector('button[type=submit]:not(.quiet)'));
        }
        return;
      }
      const last = shown.length - 1;
      const moves = { ArrowDown: chosen === last ? 0 : chosen + 1, ArrowUp: chosen <= 0 ? last : chosen - 1, PageDown: Math.min(chosen + 8, last), PageUp: Math.max(chosen - 8, 0) };
      if (event.key in moves) { event.preventDefault(); choose(moves[event.key]); }
      else if (event.key === 'Escape') { event.preventDefault(); event.stopPropagation(); close(); }
      else if ((event.key === 'Tab' || event.key === 'Enter') && !event.shiftKey && !event.ctrlKey && shown[chosen]) { event.preventDefault(); take(shown[chosen]); }
      else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight' || event.key === 'Home' || event.key === 'End') close();
    });

  }
  fields.forEach(complete);

  // Queries typed before: in this browser, and nowhere else.
  const KEY = 'outrigger.queries', MOST = 30;
  const history = document.getElementById('history');
  function remembered() {
    try {
      const found = JSON.parse(localStorage.getItem(KEY) || '[]');
      return Array.isArray(found) ? found.filter((text) => typeof text === 'string') : [];
    } catch { return []; }
  }
  function remember(queries) {
    try { localStorage.setItem(KEY, JSON.stringify(queries)); } catch { /* Full or forbidden: then not. */ }
  }
  function showHistory() {
    const queries = remembered();
    history.hidden = queries.length === 0;
    history.querySelector('ul').replaceChildren(...queries.map((text) => {
      const item = element('li');
      const link = element('a', { href: base + 'graph?' + new URLSearchParams({ 'g0.expr': text, 'g0.tab': form.querySelector('button:not(.quiet)').value }) });
      link.append(element('code', {}, text.length > 300 ? text.slice(0, 300) + '…' : text));
      item.append(link);
      return item;
    }));
  }
  if (history) {
    for (const field of [...fields].reverse()) {
      const ran = field.value.trim();
      if (ran && ran.length <= 4000 && !field.hasAttribute('aria-invalid')) remember([ran, ...remembered().filter((text) => text !== ran)].slice(0, MOST));
    }
    history.querySelector('button').addEventListener('click', () => { remember([]); showHistory(); fields[0].focus(); });
    showHistory();
  }

  // The chart: what the values are under the pointer, which line a row of the legend is, and a nearer look by dragging.
  function explore(chart) {
    const legend = chart.closest('section').querySelector('table.legend');
    if (legend) {
      const rows = [...legend.tBodies[0].rows];
      const light = (index) => {
        for (const line of chart.querySelectorAll('g[data-series]')) line.classList.toggle('one', line.dataset.series === String(index));
        if (index === null) chart.removeAttribute('data-one'); else chart.dataset.one = index;
      };
      rows.forEach((row, index) => {
        row.addEventListener('pointerenter', () => light(index));
        row.addEventListener('pointerleave', () => light(null));
      });
    }
    const plots = [...chart.querySelectorAll('svg.plot')];
    const visible = () => plots.find((plot) => plot.getClientRects().length > 0);
    const fact = (plot, name) => Number(plot.dataset[name]);
    const readout = element('div', { class: 'readout', 'aria-hidden': 'true' });
    const marker = element('div', { class: 'marker' });
    const span = element('div', { class: 'marker span' });
    for (const part of [readout, marker, span]) { part.hidden = true; chart.append(part); }
    let series = null, from = null;

    const frame = (plot) => ({ left: fact(plot, 'left'), right: fact(plot, 'right'), top: fact(plot, 'top'), bottom: fact(plot, 'bottom') });
    // The exact values, asked for once, when the pointer first comes.
    async function load() {
      if (series) return series;
      const plot = plots[0];
      const answer = await data('api/v1/query_range', { query: chart.dataset.query, start: fact(plot, 'start') / 1000, end: fact(plot, 'end') / 1000, step: chart.dataset.step, limit: LIMIT });
      const found = (answer || {}).result || [];
      const rows = legend ? [...legend.tBodies[0].rows] : [];
      series = found.map((one, index) => ({
        // Both are in the order of the labels: where all are drawn each has its row in the legend.
        name: rows.length === found.length ? rows[index].cells[0].textContent.trim() : nameOf(one.metric, found),
        swatch: rows.length === found.length ? rows[index].querySelector('.swatch') : null,
        values: one.values.map(([at, value]) => [at * 1000, Number(value)]),
      }));
      return series;
    }
    // The labels that not all have alike.
    function nameOf(labels, all) {
      const pairs = Object.entries(labels).filter(([name, value]) => name !== '__name__' && all.some((one) => one.metric[name] !== value)).map(([name, value]) => name + '=' + quoted(value));
      return pairs.length ? '{' + pairs.join(', ') + '}' : labels.__name__ || 'all';
    }
    const shortNumber = (value) => (Number.isFinite(value) ? Number(value.toPrecision(5)).toString() : String(value));

    function timeAt(plot, event) {
      const box = plot.getBoundingClientRect();
      const across = ((event.clientX - box.left) / box.width) * plot.viewBox.baseVal.width;
      const { left, right } = frame(plot);
      const share = Math.min(1, Math.max(0, (across - left) / (right - left)));
      const start = fact(plot, 'start'), end = fact(plot, 'end');
      return { at: start + share * (end - start), inside: across >= left - 4 && across <= right + 4 };
    }
    function stand(part, plot, at) {
      const box = plot.getBoundingClientRect(), outer = chart.getBoundingClientRect();
      const scale = box.width / plot.viewBox.baseVal.width;
      const { left, right, top, bottom } = frame(plot);
      const share = (at - fact(plot, 'start')) / Math.max(1, fact(plot, 'end') - fact(plot, 'start'));
      const x = box.left - outer.left + (left + share * (right - left)) * scale;
      part.style.top = box.top - outer.top + top * scale + 'px';
      part.style.height = (bottom - top) * scale + 'px';
      part.style.left = x + 'px';
      part.hidden = false;
      return x;
    }
    async function point(event) {
      const plot = visible();
      if (!plot) return;
      const { at, inside } = timeAt(plot, event);
      if (!inside && from === null) return leave();
      const step = Number(chart.dataset.step) * 1000;
      const end = fact(plot, 'end');
      const near = end - Math.round((end - at) / step) * step;
      const x = stand(marker, plot, near);
      if (from !== null) {
        const other = stand(span, plot, Math.min(from, at));
        span.style.width = Math.abs(stand(span, plot, Math.max(from, at)) - other) + 'px';
        span.style.left = other + 'px';
      }
      const lines = await load();
      if (marker.hidden) return;
      const found = [];
      for (const one of lines) {
        const value = one.values.find(([time]) => Math.abs(time - near) < step / 2);
        if (value) found.push([one.name, value[1], one.swatch]);
      }
      found.sort((a, b) => b[1] - a[1]);
      const rows = [element('p', {}, new Date(near).toISOString().replace('T', ' ').slice(0, 19) + ' UTC')];
      for (const [name, value, swatch] of found.slice(0, 10)) {
        const row = element('p');
        if (swatch) row.append(swatch.cloneNode(true));
        row.append(element('span', {}, name), element('strong', {}, shortNumber(value)));
        rows.push(row);
      }
      if (found.length > 10) rows.push(element('p', {}, 'and ' + (found.length - 10) + ' more'));
      readout.replaceChildren(...rows);
      readout.hidden = false;
      const wide = chart.clientWidth;
      readout.style.left = (x < wide / 2 ? Math.min(x + 12, wide - readout.offsetWidth) : Math.max(0, x - 12 - readout.offsetWidth)) + 'px';
    }
    function leave() {
      from = null;
      readout.hidden = marker.hidden = span.hidden = true;
    }
    chart.addEventListener('pointermove', point);
    chart.addEventListener('pointerleave', leave);
    chart.addEventListener('pointerdown', (event) => {
      const plot = visible();
      if (!plot || event.pointerType === 'touch' || event.button !== 0) return;
      const { at, inside } = timeAt(plot, event);
      if (inside && plot.contains(event.target)) { from = at; event.preventDefault(); }
    });
    chart.addEventListener('pointerup', (event) => {
      const plot = visible();
      if (!plot || from === null) return;
      const { at } = timeAt(plot, event);
      const seconds = Math.round(Math.abs(at - from) / 1000);
      const end = Math.max(at, from);
      leave();
      if (seconds < 5) return;
      const here = new URLSearchParams(location.search);
      for (const name of ['range', 'end', 'step', 'g0.step_input', 'g0.moment_input', 'time']) here.delete(name);
      here.set('g0.tab', '0');
      here.set('g0.range_input', seconds + 's');
      here.set('g0.end_input', new Date(Math.round(end / 1000) * 1000).toISOString());
      location.search = here;
    });
  }
  document.querySelectorAll('.course[data-query]').forEach(explore);
})();
