// The steps beside the stage: what goes, follow, try, remove, take along. Shows a state, and says what was pressed.

const $ = (id) => document.getElementById(id);
const SHARE = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 0 });

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function left(seconds) {
  if (seconds === null || seconds === undefined) return '';
  const minutes = Math.floor(seconds / 60);
  return seconds < 1 ? '' : `, ${minutes}:${String(Math.round(seconds % 60)).padStart(2, '0')} left`;
}

export class Panel {
  /** `app` has `edit`, `run`, `cancel`, `save`, `jump`, `choose` and what is chosen. */
  constructor(app) {
    this.app = app;
    this.language = 'shell';
    this.listed = {};
    $('follow').onclick = () => app.run('follow');
    $('try').onclick = () => app.run('try', { range: app.range });
    $('remove').onclick = () => app.run('remove');
    for (const button of document.querySelectorAll('.cancel')) button.onclick = () => app.run('cancel');
    $('new').onclick = () => app.choose(null);
    $('clear').onclick = () => app.edit({ do: 'clear', thing: app.chosen, frame: app.frame });
    $('save').onclick = () => app.save('session');
    $('save-masks').onclick = () => app.save('masks');
    $('copy').onclick = () => this.copy();
    for (const language of ['shell', 'python']) $(`as-${language}`).onclick = () => this.speak(language);
    $('class-form').onsubmit = (event) => {
      event.preventDefault();
      app.edit({ do: 'name', kind: 'class', name: $('class').value });
      $('class').value = '';
    };
    $('text').onchange = () => this.toggleText();
    for (const word of ['preset', 'engine', 'effects', 'sam']) {
      $(word).onchange = () => app.edit({ do: 'set', settings: { [word]: $(word).value } });
    }
    $('report').onclick = () => { $('report-frame').src = 'api/report'; $('report-dialog').showModal(); };
    document.querySelectorAll('dialog .close').forEach((button) => { button.onclick = () => button.closest('dialog').close(); });
  }

  open({ engines, presets, effects, sams, classes, text }) {
    const fill = (id, values, first = []) => $(id).replaceChildren(...[...first, ...values.map((v) => [v, v])]
      .map(([value, shown]) => element('option', { value, textContent: shown })));
    fill('engine', engines);
    fill('preset', presets);
    const names = { none: 'nothing else', shadows: 'its shadow', reflections: 'its reflection', all: 'shadow and reflection' };
    $('effects').replaceChildren(...[...effects].reverse().map((value) => element('option', { value, textContent: names[value] })));
    fill('sam', sams, [['', 'colour and motion']]);
    $('sam-label').hidden = !sams.length;
    $('class-form').hidden = !classes;
    $('text-label').hidden = !text;
  }

  show(state) {
    this.state = state;
    $('undo').disabled = !state.undo;
    $('redo').disabled = !state.redo;
    this.things(state.things);
    for (const [word, usual] of [['preset', 'balanced'], ['engine', 'motion'], ['effects', 'all'], ['sam', '']]) {
      if (document.activeElement !== $(word)) $(word).value = state.settings[word] ?? usual;
    }
    $('text').checked = state.things.some((thing) => thing.kind === 'text' && thing.on);
    for (const kind of ['follow', 'try', 'remove']) this.run(kind, state);
    this.problems(state.followed, state.things.find((thing) => thing.kind === 'text')?.keeps ?? []);
    this.result(state.results.remove);
    this.speak(this.language);
    const stale = state.followed && state.followed.stale;
    $('follow').textContent = !state.followed ? 'Follow' : 'Follow anew';
    if (stale && state.runs.follow?.state === 'done') $('follow-said').textContent = 'Something was said since.';
    $('save-masks').disabled = !state.followed;
  }

  things(things) {
    const list = $('things'), focused = list.contains(document.activeElement) && document.activeElement.className === 'name';
    $('nothing').hidden = things.length > 0;
    $('clear').disabled = !things.some((t) => t.id === this.app.chosen && t.kind === 'object' && t.frames.includes(this.app.frame));
    if (!focused) this.list(list, [things, this.app.chosen], () => things.map((thing) => this.thing(thing)));
  }

  /** Fill a list anew where what it shows has changed; what has the focus in it keeps it. */
  list(list, shows, rows) {
    const now = JSON.stringify(shows), controls = () => [...list.querySelectorAll('button, input')];
    if (this.listed[list.id] === now) return;
    this.listed[list.id] = now;
    const focus = controls().indexOf(document.activeElement);
    list.replaceChildren(...rows());
    if (focus >= 0) controls()[focus]?.focus();
  }

  thing(thing) {
    const { app } = this, places = thing.frames.slice(0, 6).map((frame) => element('button', {
      textContent: frame, title: `to frame ${frame}`, onclick: (event) => { event.stopPropagation(); app.jump(frame); },
    }));
    const kind = { class: 'all of this class', text: 'text laid over the picture', rectangle: 'on every frame' }[thing.kind];
    const said = kind ? [kind] : thing.frames.length ? ['on frame ', ...places, thing.frames.length > 6 ? ' …' : ''] : ['nothing said yet'];
    return element('li', { className: thing.id === app.chosen ? 'chosen' : '', onclick: () => app.choose(thing.id) },
      element('input', { type: 'checkbox', checked: thing.on, ariaLabel: `${thing.name} goes`,
        onchange: (event) => app.edit({ do: 'toggle', thing: thing.id, on: event.target.checked }),
        onclick: (event) => event.stopPropagation() }),
      element('i', { className: 'dot', style: `background:${thing.colour}` }),
      element('input', { className: 'name', value: thing.name, ariaLabel: 'name', maxLength: 80,
        onchange: (event) => app.edit({ do: 'rename', thing: thing.id, name: event.target.value }),
        onfocus: () => { if (app.chosen !== thing.id) app.choose(thing.id, false); } }),
      element('button', { className: 'delete', textContent: '×', title: `Delete ${thing.name}`, ariaLabel: `delete ${thing.name}`,
        onclick: (event) => { event.stopPropagation(); app.edit({ do: 'delete', thing: thing.id }); } }),
      element('small', {}, ...said));
  }

  run(kind, state) {
    const run = state.runs[kind], running = run?.state === 'running', bar = $(`${kind}-bar`), said = $(`${kind}-said`);
    const busy = ['follow', 'try', 'remove'].some((one) => state.runs[one]?.state === 'running');
    $(kind).disabled = busy || (Boolean(state.commands.error) && !running);
    document.querySelector(`.cancel[data-kind=${kind}]`).hidden = !running;
    bar.hidden = !running;
    said.className = run?.state === 'failed' ? 'bad' : 'quiet';
    said.textContent = kind === 'try' && state.things.length && state.commands.error ? state.commands.error : '';
    if (!run) return;
    if (running) {
      bar.value = run.overall.done ?? 0;
      said.textContent = `${run.overall.stage || 'beginning'} ${SHARE.format(run.overall.done ?? 0)}${left(run.overall.left)}`;
    } else if (run.state === 'failed') said.textContent = run.error;
    else if (run.state === 'cancelled') said.textContent = 'Cancelled; nothing was written.';
    else if (run.error) said.textContent = run.error;
  }

  problems(followed, keeps) {
    const words = { unsure: 'unsure', lost: 'lost', large: 'unusually large' };
    const rows = (followed?.runs ?? []).map(([start, stop, state]) => element('li', {}, element('button', {
      textContent: stop - start > 1 ? `frames ${start} to ${stop - 1}` : `frame ${start}`, onclick: () => this.app.jump(start),
    }), ` ${words[state]}`));
    if (followed && !rows.length) rows.push(element('li', { className: 'quiet', textContent: 'Followed; sure on all frames.' }));
    this.list($('problems'), [followed?.runs], () => rows);
    const lines = followed?.lines ?? [];
    $('lines').hidden = !lines.length;
    this.list($('lines'), [lines, keeps], () => lines.map((line) => this.line(line, keeps)));
  }

  /** A line of text that was found: whether it goes, what it says, and where it is. */
  line([text, first, last, may], keeps) {
    const { app } = this;
    return element('li', {}, element('input', { type: 'checkbox', checked: may && !keeps.includes(text), disabled: !may || !text,
      title: !may ? 'Part of the scene: it stays' : text ? '' : 'A line that cannot be read cannot be told apart',
      ariaLabel: `the line ${text} goes`, onchange: (event) => app.edit({ do: 'line', text, on: event.target.checked }) }),
    element('button', { textContent: text ? `“${text}”` : 'unread text', onclick: () => app.jump(first) }),
    element('span', {}, first === last ? `frame ${first}` : `frames ${first} to ${last}`));
  }

  result(result) {
    $('result').hidden = !result;
    if (!result) return;
    $('result-path').textContent = result.path;
    const parts = [`${result.masked_frames} frames changed`, `${SHARE.format(result.coverage)} found in other frames`];
    if (result.unsure >= 0.005) parts.push(`${SHARE.format(result.unsure)} unsure`);
    if (result.synthesised >= 0.005) parts.push(`${SHARE.format(result.synthesised)} synthesised`);
    $('result-facts').textContent = `${parts.join(', ')}; outside the mask ${result.changed_outside} pixels differ.`;
    $('report').hidden = !result.report;
  }

  speak(language) {
    this.language = language;
    for (const one of ['shell', 'python']) $(`as-${one}`).setAttribute('aria-selected', one === language);
    const { commands } = this.state ?? { commands: {} };
    $('command').textContent = commands.error ?? commands[language] ?? '';
    $('command').classList.toggle('quiet', Boolean(commands.error));
    $('copy').disabled = Boolean(commands.error);
  }

  async copy() {
    const text = $('command').textContent;
    try {
      await navigator.clipboard.writeText(text);
      this.saved('Copied.');
    } catch {
      getSelection().selectAllChildren($('command'));
      this.saved('Press Ctrl+C.');
    }
  }

  saved(text) {
    $('saved').textContent = text;
  }

  toggleText() {
    const found = this.state.things.find((thing) => thing.kind === 'text');
    if (found) this.app.edit({ do: 'toggle', thing: found.id, on: $('text').checked });
    else this.app.edit({ do: 'name', kind: 'text', name: 'text' });
  }
}
