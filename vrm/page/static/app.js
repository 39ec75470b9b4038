// The page of vrm pick: one state, told by vrm, and what is looked at, which is this tab's own.
import { get, listen, Overlays, Pictures, post } from './api.js';
import { keys } from './keys.js';
import { Panel } from './panel.js';
import { legend, Timeline } from './timeline.js';
import { Viewer } from './viewer.js';

const $ = (id) => document.getElementById(id);
const AHEAD = 6;

class App {
  constructor() {
    this.frame = 0;
    this.mode = 'source';
    this.chosen = null;
    this.range = null;
    this.playing = false;
    this.state = { version: -1, things: [], shots: [], results: {}, runs: {}, commands: {} };
    this.pictures = new Pictures(90);
    this.overlays = new Overlays(120);
    this.viewer = new Viewer($('canvas'), {
      box: (box, every) => this.say({ do: 'box', box, every }),
      point: (x, y, stays) => this.say({ do: 'point', x, y, stays }),
      stroke: (points, radius, erase) => this.say({ do: 'stroke', points, radius, erase }),
      view: () => { $('zoom').textContent = `${Math.round(this.viewer.zoom * 100)} %`; this.look(); },
      wiped: (share) => { $('wipe').value = Math.round(share * 1000); },
    });
    this.timeline = new Timeline($('timeline'), (frame) => this.jump(frame));
    this.panel = new Panel(this);
  }

  async open() {
    this.video = await get('api/video');
    document.title = `${this.video.name}: vrm pick`;
    $('name').textContent = this.video.name;
    const { width, height, frames, rate, codec, depth, notes } = this.video;
    $('facts').textContent = [`${width}×${height}`, `${frames} ${frames === 1 ? 'frame' : 'frames'}`,
      `${+rate.toFixed(3)} per second`, `${codec}, ${depth} bit`, ...notes].join(' · ');
    $('facts').title = $('facts').textContent;
    $('frame').max = frames - 1;
    this.viewer.open(this.video);
    this.film();
    this.wire();
    this.tool('box');
    await this.look();
    this.panel.open(await get('api/choices'));
    listen((state) => this.show(state), (gone) => { $('gone').hidden = !gone; });
  }

  wire() {
    for (const button of document.querySelectorAll('[data-tool]')) button.onclick = () => this.tool(button.dataset.tool);
    for (const button of document.querySelectorAll('[data-mode]')) button.onclick = () => this.look(this.frame, button.dataset.mode);
    $('undo').onclick = () => this.edit({ do: 'undo' });
    $('redo').onclick = () => this.edit({ do: 'redo' });
    $('back').onclick = () => this.jump(this.frame - 1);
    $('forth').onclick = () => this.jump(this.frame + 1);
    $('play').onclick = () => this.play(!this.playing);
    $('frame').onchange = () => this.jump(Number($('frame').value));
    $('size').oninput = () => this.brush(Number($('size').value));
    $('show-mask').onchange = $('show-effects').onchange = () => this.look();
    $('zoom-in').onclick = () => this.viewer.zoomTo(this.viewer.zoom * 1.4);
    $('zoom-out').onclick = () => this.viewer.zoomTo(this.viewer.zoom / 1.4);
    $('zoom-fit').onclick = () => this.viewer.zoomTo(1);
    $('wipe').oninput = () => { this.viewer.wipe = $('wipe').value / 1000; this.viewer.draw(); };
    $('range-start').onclick = () => this.setRange(0);
    $('range-end').onclick = () => this.setRange(1);
    $('range-none').onclick = () => { this.range = null; this.ranged(); };
    $('help').onclick = () => $('keys').showModal();
    keys(this, $('key-list'));
  }

  // What is said

  say(asked) {
    if (this.mode !== 'source') return;
    this.edit({ ...asked, frame: this.frame, thing: this.chosen });
  }

  async edit(asked) {
    const before = new Set(this.state.things.map((thing) => thing.id));
    try {
      const state = await post('api/edit', asked);
      const made = state.things.find((thing) => !before.has(thing.id));
      if (made) this.chosen = made.id;
      this.show(state);
    } catch (error) {
      this.panel.listed = {}; // a tick that was refused is taken back
      this.panel.things(this.state.things);
      this.complain(error);
    }
  }

  async run(kind, more = {}) {
    this.play(false);
    try {
      this.show(await post('api/run', { kind, ...more }));
    } catch (error) { this.complain(error); }
  }

  async save(what) {
    try {
      const { path } = await post('api/save', { what });
      this.panel.saved(`Saved: ${path}`);
      if (what === 'session') this.hint(`Saved: ${path}`);
    } catch (error) { this.complain(error); }
  }

  choose(thing, redraw = true) {
    this.chosen = thing;
    if (redraw) this.show(this.state);
    this.marks();
  }

  show(state) {
    if (state.version < this.state.version) return;
    const before = this.state;
    this.state = state;
    if (!state.things.some((thing) => thing.id === this.chosen)) this.chosen = null;
    this.panel.show(state);
    for (const kind of ['try', 'remove']) {
      document.querySelector(`[data-mode=${kind}]`).disabled = !state.results[kind];
      const running = before.runs[kind]?.state === 'running';
      if (running && state.runs[kind]?.state === 'done' && state.results[kind]) {
        this.results = (this.results ?? 0) + 1;
        this.enter(kind);
        this.look(kind === 'try' ? 0 : this.frame, kind);
        return;
      }
    }
    if (!state.results[this.mode] && this.mode !== 'source') this.look(0, 'source');
    if (before.said !== state.said) this.look();
    else this.marks();
  }

  // What is looked at

  get length() { return this.mode === 'source' ? this.video.frames : this.state.results[this.mode].frames; }

  jump(frame) {
    this.play(false);
    this.look(Math.round(frame) || 0);
  }

  step(by) { this.jump(this.frame + by); }

  address(frame) {
    const need = Math.max(...this.viewer.shown) * this.viewer.view.scale * (devicePixelRatio || 1);
    const size = [640, 1280, 1920, 3840].find((n) => n >= need) ?? 3840;
    const shown = (path) => `${path}/${frame}?size=${size}&n=${this.results ?? 0}`;
    return this.mode === 'try' ? [shown('api/result/try')]
      : [shown('api/picture'), ...(this.mode === 'remove' ? [shown('api/result/remove')] : [])];
  }

  /** Show a frame, as soon as its pictures are there; a later look wins. */
  async look(frame = this.frame, mode = this.mode) {
    if (mode !== this.mode) this.enter(mode);
    this.frame = Math.min(this.length - 1, Math.max(0, frame));
    const mine = this.looking = Symbol('look');
    const addresses = this.address(this.frame);
    this.place();
    let pictures;
    try {
      pictures = await Promise.all(addresses.map((path) => this.pictures.load(path)));
    } catch (error) {
      if (mine === this.looking) this.complain(error);
      return;
    }
    if (mine !== this.looking) return;
    [this.viewer.picture, this.viewer.after] = [pictures[0], pictures[1] ?? null];
    if (this.overlaid !== this.frame) this.viewer.overlay = null;
    this.marks();
    await this.lay(mine);
  }

  enter(mode) {
    this.mode = mode;
    const compares = mode !== 'source', result = this.state.results[mode];
    this.viewer.wipe = compares ? $('wipe').value / 1000 : null;
    this.viewer.halves = mode === 'try';
    this.viewer.overlay = null;
    this.viewer.shown = mode === 'try' ? [result.wide / 2, result.tall] : [this.video.shown_width, this.video.shown_height];
    $('wipe-label').classList.toggle('used', compares);
    document.querySelector('.badges').classList.toggle('used', compares);
    this.film();
    this.tool(this.viewer.tool);
  }

  /** The strip shows the video, or of what was tried its few seconds. */
  film() {
    const ratio = this.video.shown_width / this.video.shown_height, n = this.results ?? 0;
    if (this.mode === 'try') this.timeline.open(this.length, ratio, (frame) => `api/result/try/${frame}?size=640&n=${n}`, true);
    else this.timeline.open(this.video.frames, ratio, (frame) => `api/thumbnail/${frame}`);
  }

  /** Lay over the frame what goes there. */
  async lay(mine) {
    const wanted = this.mode === 'source' && $('show-mask').checked && this.state.version >= 0;
    if (!wanted) {
      this.viewer.overlay = null;
      this.sure(null);
      return this.viewer.draw();
    }
    const slow = setTimeout(() => mine === this.looking && !this.playing && this.hint('Looking closer …'), 250);
    try {
      const about = [this.frame, this.state.said, $('show-effects').checked];
      if (this.boxed) {
        const rough = await this.overlays.load(...about, true).catch(() => ({}));
        if (mine !== this.looking) return;
        this.viewer.overlay = rough.picture ?? null;
        this.overlaid = this.frame;
        this.viewer.draw();
      }
      const found = await this.overlays.load(...about);
      if (mine !== this.looking) return;
      this.viewer.overlay = found.picture ?? null;
      this.overlaid = this.frame;
      this.hint('');
      this.sure(found);
      this.viewer.draw();
    } catch (error) {
      if (mine === this.looking) { this.viewer.overlay = null; this.complain(error); this.viewer.draw(); }
    } finally { clearTimeout(slow); }
  }

  /** Whether a box on this frame is outlined: roughly at once, then as well as it can be. */
  get boxed() {
    const on = (thing) => thing.on && thing.kind === 'object' && thing.boxes.some((box) => box[4] === this.frame);
    return !this.playing && !this.state.settings.sam && this.state.things.some(on);
  }

  sure(found) {
    const text = !found?.source ? '' : found.sure === null ? (found.source === 'said' ? 'Nothing is guessed here.' : '')
      : `${found.source === 'said' ? 'The outline is' : 'Following is'} ${Math.round(found.sure * 100)} % sure here.`;
    const unsure = found?.sure !== null && found?.sure < 0.6;
    $('sure').textContent = [text, ...(unsure ? ['Correct it with “Goes” and “Stays”, or draw a tighter box.'] : [])].join(' ');
    $('sure').className = unsure ? 'warn' : 'quiet';
  }

  marks() {
    const here = (places) => places.filter((place) => place[place.length - 1] === this.frame);
    this.viewer.marks = this.mode !== 'source' ? [] : this.state.things.filter((thing) => thing.on).flatMap((thing) => {
      const about = { colour: thing.colour, chosen: thing.id === this.chosen };
      return [
        ...(thing.kind === 'rectangle' ? thing.boxes : here(thing.boxes)).map((place) => ({ ...about, kind: 'box', place })),
        ...here(thing.points).map((place) => ({ ...about, kind: 'goes', place })),
        ...here(thing.not_points).map((place) => ({ ...about, kind: 'stays', place })),
      ];
    });
    this.viewer.draw();
    this.place();
  }

  /** Everything that says which frame is shown. */
  place() {
    if (document.activeElement !== $('frame')) $('frame').value = this.frame;
    const seconds = this.frame / this.video.rate, whole = Math.floor(seconds / 60);
    $('time').textContent = `${whole}:${(seconds % 60).toFixed(2).padStart(5, '0')}`;
    for (const button of document.querySelectorAll('[data-mode]')) {
      button.setAttribute('aria-selected', button.dataset.mode === this.mode);
    }
    const { state } = this;
    const facts = { followed: state.followed, shots: state.shots, things: state.things, range: this.range,
      bars: this.mode === 'remove' ? state.results.remove?.bars : null };
    this.timeline.show(this.frame, this.mode === 'try' ? { followed: null, shots: [], things: [], range: null, bars: null } : facts);
    $('legend').replaceChildren(...(this.mode === 'try' ? [] : legend(facts)).map(([colour, text]) => {
      const said = document.createElement('span'), dot = document.createElement('i');
      dot.style.background = colour;
      said.append(dot, text);
      return said;
    }));
    this.panel.things(state.things);
  }

  play(on) {
    if (on === this.playing) return;
    this.playing = on;
    $('play').textContent = on ? 'Pause' : 'Play';
    if (on) this.turn();
  }

  /** Frame after frame, each when its time has come and its picture is there. */
  async turn() {
    if (this.frame >= this.length - 1) this.frame = 0;
    let due = performance.now();
    while (this.playing && this.frame < this.length - 1) {
      for (let k = 1; k <= AHEAD && this.frame + k < this.length; k++) {
        for (const path of this.address(this.frame + k)) Promise.resolve(this.pictures.load(path)).catch(() => {});
      }
      due = Math.max(due + 1000 / this.video.rate, performance.now() - 200);
      await Promise.all([this.look(this.frame + 1), new Promise((done) => setTimeout(done, due - performance.now()))]);
    }
    this.play(false);
  }

  problem(by) {
    const starts = (this.state.followed?.runs ?? []).map((run) => run[0]);
    const found = by > 0 ? starts.find((t) => t > this.frame) : starts.reverse().find((t) => t < this.frame);
    if (found !== undefined) this.jump(found);
  }

  // Controls

  tool(name) {
    this.viewer.tool = name;
    for (const button of document.querySelectorAll('[data-tool]')) {
      button.setAttribute('aria-pressed', button.dataset.tool === name);
      button.disabled = this.mode !== 'source' && button.dataset.tool !== 'move';
    }
    $('size-label').classList.toggle('used', this.viewer.paints);
    $('canvas').style.cursor = this.viewer.wipe !== null ? 'ew-resize' : name === 'move' ? 'grab' : 'crosshair';
    this.viewer.draw();
  }

  brush(size) {
    this.viewer.size = Math.min(200, Math.max(1, size));
    $('size').value = $('size-shown').textContent = this.viewer.size;
    this.viewer.draw();
  }

  setRange(end) {
    if (this.mode === 'try') return;
    const range = this.range ?? [0, this.video.frames];
    range[end] = this.frame + end;
    if (range[0] >= range[1]) range[1 - end] = end ? 0 : this.video.frames;
    this.range = range;
    this.ranged();
  }

  async ranged() {
    $('range').textContent = this.range ? `frames ${this.range[0]} to ${this.range[1] - 1}` : 'whole video';
    $('range-none').hidden = !this.range;
    $('try').textContent = this.range ? 'Try the range' : 'Try 3 seconds';
    const [start, end] = this.range ? this.range.map((n) => `${n}f`) : ['', ''];
    await this.edit({ do: 'set', settings: { start, end } });
  }

  hint(text) {
    $('saying').textContent = text;
    $('saying').className = 'saying';
  }

  complain(error) {
    $('saying').textContent = error.message;
    $('saying').className = 'saying bad';
  }
}

new App().open().catch((error) => { document.getElementById('saying').textContent = error.message; });
