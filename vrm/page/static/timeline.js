// The whole video in one strip: thumbnails, shots, how large the mask is, where following is unsure, where pixels come from.

const ROW = 54, LANE = 8, AREA = 22;
const COLOURS = { unsure: '#e3b341', lost: '#da3633', large: '#a56de2' };
const SOURCES = ['#2ea043', '#e3b341', '#da3633', '#388bfd'];

export class Timeline {
  constructor(canvas, told) {
    this.canvas = canvas;
    this.told = told;
    this.frame = 0;
    this.facts = {};
    this.thumbnails = new Map();
    new ResizeObserver(() => { this.fill(); this.draw(); }).observe(canvas);
    let held = false;
    const jump = (event) => {
      const box = canvas.getBoundingClientRect(), share = (event.clientX - box.left) / box.width;
      told(Math.min(this.frames - 1, Math.max(0, Math.floor(share * this.frames))));
    };
    canvas.addEventListener('pointerdown', (event) => { held = true; canvas.setPointerCapture(event.pointerId); jump(event); });
    canvas.addEventListener('pointermove', (event) => held && jump(event));
    canvas.addEventListener('pointerup', () => { held = false; });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  /** Show a film of so many frames; `address` gives its pictures, of which the left half counts where they hold two. */
  open(frames, ratio, address, halves = false) {
    Object.assign(this, { frames, ratio, address, halves, count: 0, filling: null });
    this.canvas.setAttribute('aria-valuemax', frames - 1);
    this.fill();
  }

  /** Fetch the thumbnails that the strip has room for, one after another. */
  async fill() {
    if (!this.frames) return;
    const wide = Math.max(24, ROW * this.ratio), room = this.canvas.clientWidth;
    const count = Math.max(1, Math.min(this.frames, Math.ceil(room / wide)));
    const mine = this.filling = Symbol('filling');
    for (let k = 0; k < count && mine === this.filling; k++) {
      const path = this.address(Math.floor((k + 0.5) * this.frames / count));
      if (!this.thumbnails.has(path)) {
        try {
          const response = await fetch(path);
          if (response.ok) this.thumbnails.set(path, await createImageBitmap(await response.blob()));
        } catch { return; }
      }
      this.draw();
    }
    if (mine === this.filling) this.count = count;
  }

  show(frame, facts) {
    this.frame = frame;
    Object.assign(this.facts, facts);
    this.canvas.setAttribute('aria-valuenow', frame);
    this.canvas.setAttribute('aria-valuetext', `frame ${frame} of ${this.frames}`);
    this.draw();
  }

  draw() {
    if (!this.frames || this.asked) return;
    this.asked = requestAnimationFrame(() => { this.asked = 0; this.paint(); });
  }

  paint() {
    const { clientWidth: width, clientHeight: height } = this.canvas, dense = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * dense, height: height * dense });
    const paper = this.canvas.getContext('2d'), style = getComputedStyle(document.body);
    const ink = style.getPropertyValue('--text'), line = style.getPropertyValue('--line');
    paper.scale(dense, dense);
    paper.fillStyle = line;
    paper.fillRect(0, 0, width, height);
    this.strip(paper, width);
    const at = (frame) => frame / this.frames * width;
    const { followed, shots = [], range, things = [], bars } = this.facts;
    if (followed) {
      const bar = width / followed.areas.length, most = Math.max(0.01, ...followed.areas);
      paper.fillStyle = style.getPropertyValue('--bar');
      followed.areas.forEach((area, k) => {
        const tall = AREA * area / most;
        paper.fillRect(k * bar, ROW + 4 + AREA - tall, Math.max(1, bar), tall);
      });
      for (const [start, stop, state] of followed.runs) {
        paper.fillStyle = COLOURS[state];
        paper.fillRect(at(start), ROW + 6 + AREA, Math.max(3, at(stop) - at(start)), LANE);
      }
    }
    if (bars) for (const [place, ...shares] of bars) this.bar(paper, place * width, shares, Math.max(1, width / this.frames));
    paper.fillStyle = ink;
    for (const [start] of shots.slice(1)) paper.fillRect(at(start) - 1, 0, 2, height - LANE);
    if (range) {
      paper.fillStyle = '#0008';
      paper.fillRect(0, 0, at(range[0]), ROW);
      paper.fillRect(at(range[1]), 0, width - at(range[1]), ROW);
    }
    for (const { frames, colour, on } of things) {
      if (!on) continue;
      for (const frame of frames) {
        paper.fillStyle = colour;
        paper.strokeStyle = '#fff';
        paper.lineWidth = 1.5;
        paper.beginPath();
        paper.arc(at(frame + 0.5), ROW - 6, 4.5, 0, 7);
        paper.fill();
        paper.stroke();
      }
    }
    const x = at(this.frame + 0.5);
    paper.fillStyle = '#000';
    paper.fillRect(x - 2.5, 0, 5, height);
    paper.fillStyle = '#fff';
    paper.fillRect(x - 1.5, 0, 3, height);
  }

  strip(paper, width) {
    const count = this.count || Math.max(1, Math.min(this.frames, Math.ceil(width / Math.max(24, ROW * this.ratio))));
    for (let k = 0; k < count; k++) {
      const picture = this.thumbnails.get(this.address(Math.floor((k + 0.5) * this.frames / count)));
      if (!picture) continue;
      const wide = width / count, whole = this.halves ? picture.width / 2 : picture.width;
      const part = Math.min(whole, picture.height * wide / ROW);
      paper.drawImage(picture, (whole - part) / 2, 0, part, picture.height, k * wide, 0, wide, ROW);
    }
  }

  bar(paper, x, shares, wide) {
    let top = ROW + 4;
    shares.forEach((share, k) => {
      paper.fillStyle = SOURCES[k];
      paper.fillRect(x, top, wide, AREA * share);
      top += AREA * share;
    });
  }
}

/** What the colours on the strip mean, as `[colour, text]`. */
export function legend({ followed, bars, shots = [] }) {
  const said = [];
  if (followed) {
    const found = new Set(followed.runs.map((run) => run[2]));
    if (!bars) said.push(['var(--bar)', 'size of the mask']);
    for (const [state, text] of [['unsure', 'unsure'], ['lost', 'lost'], ['large', 'large']]) {
      if (found.has(state)) said.push([COLOURS[state], text]);
    }
  }
  if (bars) said.push([SOURCES[0], 'found in other frames'], [SOURCES[1], 'found, but unsure'], [SOURCES[2], 'synthesised']);
  if (shots.length > 1) said.push(['var(--text)', 'a cut']);
  return said;
}
