// The stage: a frame, what goes on it, and what the pointer does there. Places are pixels of the video as displayed.

const POINT = 6;

export class Viewer {
  /** `told` has a method for each thing that the pointer says: box, point, stroke; and view, when it is moved. */
  constructor(canvas, told) {
    this.canvas = canvas;
    this.told = told;
    this.tool = 'box';
    this.size = 24;
    this.zoom = 1;
    this.centre = [0.5, 0.5];
    this.wipe = null; // share of the picture's width that shows `before`; null: one picture
    this.picture = this.after = this.overlay = null;
    this.halves = false; // one picture holds before and after side by side
    this.marks = [];
    this.drag = null;
    this.hover = null;
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener('pointerdown', (event) => this.down(event));
    canvas.addEventListener('pointermove', (event) => this.move(event));
    canvas.addEventListener('pointerup', (event) => this.up(event));
    canvas.addEventListener('pointercancel', () => { this.drag = null; this.draw(); });
    canvas.addEventListener('pointerleave', () => { this.hover = null; this.draw(); });
    canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
  }

  open(video) {
    this.video = video;
    this.shown = [video.shown_width, video.shown_height];
  }

  /** Pixels of the page for one of the shown picture, and where its left top corner is. */
  get view() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const scale = Math.min(width / this.shown[0], height / this.shown[1]) * this.zoom;
    return { scale, left: width / 2 - this.centre[0] * this.shown[0] * scale,
      top: height / 2 - this.centre[1] * this.shown[1] * scale, width, height };
  }

  /** Where an event is in the video, in its own pixels as displayed. */
  place(event) {
    const box = this.canvas.getBoundingClientRect(), { scale, left, top } = this.view;
    return [(event.clientX - box.left - left) / scale * this.video.width / this.shown[0],
      (event.clientY - box.top - top) / scale * this.video.height / this.shown[1]];
  }

  zoomTo(zoom, at = null) {
    const before = this.view;
    this.zoom = Math.min(40, Math.max(1, zoom));
    const after = this.view;
    if (this.zoom === 1) this.centre = [0.5, 0.5];
    else if (at) {
      for (const k of [0, 1]) {
        const corner = k ? 'top' : 'left', place = (at[k] - before[corner]) / before.scale;
        const middle = (k ? after.height : after.width) / 2;
        this.centre[k] = (place - (at[k] - middle) / after.scale) / this.shown[k];
      }
    }
    this.clamp();
    this.draw();
    this.told.view();
  }

  clamp() {
    const { width, height, scale } = this.view;
    [width, height].forEach((room, k) => {
      const half = Math.min(0.5, room / 2 / (this.shown[k] * scale));
      this.centre[k] = Math.min(1 - half, Math.max(half, this.centre[k]));
    });
  }

  wheel(event) {
    event.preventDefault();
    const box = this.canvas.getBoundingClientRect();
    if (event.shiftKey) return this.pan(-event.deltaY - event.deltaX, 0);
    this.zoomTo(this.zoom * Math.exp(-event.deltaY / 400), [event.clientX - box.left, event.clientY - box.top]);
  }

  pan(dx, dy) {
    const { scale } = this.view;
    this.centre[0] -= dx / scale / this.shown[0];
    this.centre[1] -= dy / scale / this.shown[1];
    this.clamp();
    this.draw();
  }

  down(event) {
    this.canvas.focus({ preventScroll: true });
    if (event.button > 1) return;
    this.canvas.setPointerCapture(event.pointerId);
    const place = this.place(event), moves = event.button === 1 || this.tool === 'move';
    const tool = moves ? 'move' : this.wipe !== null ? 'wipe' : this.tool;
    this.drag = { tool, from: place, to: place, places: [place], last: [event.clientX, event.clientY] };
    if (tool === 'wipe') this.wipeTo(place);
    event.preventDefault();
    this.draw();
  }

  move(event) {
    this.hover = this.place(event);
    if (this.drag) {
      const place = this.hover;
      this.drag.to = place;
      if (this.drag.tool === 'move') this.pan(event.clientX - this.drag.last[0], event.clientY - this.drag.last[1]);
      else if (this.drag.tool === 'wipe') this.wipeTo(place);
      else if (this.paints) this.drag.places.push(place);
      this.drag.last = [event.clientX, event.clientY];
    }
    if (this.drag || this.paints) this.draw();
  }

  up(event) {
    const drag = this.drag;
    this.drag = null;
    if (!drag) return;
    drag.to = this.place(event);
    const [[x0, y0], [x1, y1]] = [drag.from, drag.to];
    if (drag.tool === 'box' || drag.tool === 'rectangle') {
      const far = Math.hypot(x1 - x0, y1 - y0) * this.view.scale;
      if (far > 4) this.told.box([x0, y0, x1, y1], drag.tool === 'rectangle');
      else if (drag.tool === 'box') this.told.point(x1, y1, false);
    } else if (drag.tool === 'goes' || drag.tool === 'stays') this.told.point(x1, y1, drag.tool === 'stays');
    else if (drag.tool === 'brush' || drag.tool === 'eraser') {
      this.told.stroke(drag.places, this.size / 2, drag.tool === 'eraser');
    }
    this.draw();
  }

  get paints() { return this.wipe === null && (this.tool === 'brush' || this.tool === 'eraser'); }

  wipeTo([x]) {
    this.wipe = Math.min(1, Math.max(0, x / this.video.width));
    this.told.wiped(this.wipe);
    this.draw();
  }

  draw() {
    if (!this.video || this.asked) return;
    this.asked = requestAnimationFrame(() => { this.asked = 0; this.paint(); });
  }

  paint() {
    const { scale, left, top, width, height } = this.view, dense = devicePixelRatio || 1;
    const [wide, tall] = [Math.round(width * dense), Math.round(height * dense)];
    if (this.canvas.width !== wide || this.canvas.height !== tall) Object.assign(this.canvas, { width: wide, height: tall });
    const paper = this.canvas.getContext('2d');
    paper.setTransform(1, 0, 0, 1, 0, 0);
    paper.clearRect(0, 0, wide, tall);
    paper.setTransform(dense * scale, 0, 0, dense * scale, dense * left, dense * top);
    paper.imageSmoothingEnabled = scale < 4;
    paper.imageSmoothingQuality = 'high';
    this.pictures(paper);
    if (this.overlay) paper.drawImage(this.overlay, 0, 0, ...this.shown);
    paper.setTransform(dense, 0, 0, dense, dense * left, dense * top);
    const pixel = [scale * this.shown[0] / this.video.width, scale * this.shown[1] / this.video.height];
    for (const mark of this.marks) this.mark(paper, mark, pixel);
    this.dragged(paper, pixel);
    if (this.wipe !== null) {
      const x = this.wipe * this.shown[0] * scale;
      paper.fillStyle = '#fff';
      paper.shadowColor = '#000';
      paper.shadowBlur = 4;
      paper.fillRect(x - 1, 0, 2, this.shown[1] * scale);
      paper.shadowBlur = 0;
    }
  }

  pictures(paper) {
    const [wide, tall] = this.shown;
    if (!this.picture) return;
    const part = this.halves ? this.picture.width / 2 : this.picture.width;
    paper.drawImage(this.picture, 0, 0, part, this.picture.height, 0, 0, wide, tall);
    const after = this.halves ? this.picture : this.after;
    if (this.wipe === null || !after) return;
    const share = this.wipe, from = this.halves ? part : 0, room = this.halves ? part : after.width;
    paper.drawImage(after, from + share * room, 0, (1 - share) * room, after.height, share * wide, 0, (1 - share) * wide, tall);
  }

  mark(paper, { kind, place, colour, chosen }, [px, py]) {
    const lines = (draw) => {
      for (const [style, line] of [['#000', chosen ? 5 : 4], [colour, chosen ? 3 : 2]]) {
        paper.strokeStyle = style;
        paper.lineWidth = line;
        draw();
      }
    };
    if (kind === 'box') {
      const [x0, y0, x1, y1] = place;
      return lines(() => paper.strokeRect(x0 * px, y0 * py, (x1 - x0) * px, (y1 - y0) * py));
    }
    const [x, y] = [(place[0] + 0.5) * px, (place[1] + 0.5) * py];
    if (kind === 'stays') {
      return lines(() => {
        paper.beginPath();
        for (const s of [-1, 1]) { paper.moveTo(x - POINT, y - s * POINT); paper.lineTo(x + POINT, y + s * POINT); }
        paper.stroke();
      });
    }
    paper.beginPath();
    paper.arc(x, y, POINT, 0, 7);
    paper.fillStyle = colour;
    paper.fill();
    paper.lineWidth = 2;
    paper.strokeStyle = '#fff';
    paper.stroke();
  }

  dragged(paper, [px, py]) {
    const drag = this.drag;
    if (drag && (drag.tool === 'box' || drag.tool === 'rectangle')) {
      const [x0, y0, x1, y1] = [...drag.from, ...drag.to];
      this.mark(paper, { kind: 'box', place: [x0, y0, x1, y1], colour: '#fff', chosen: true }, [px, py]);
    }
    if (!this.paints) return;
    const colour = this.tool === 'brush' ? '#e0527a' : '#3d8bfd';
    if (drag && drag.tool === this.tool) {
      paper.strokeStyle = `${colour}99`;
      paper.lineWidth = this.size * px;
      paper.lineCap = paper.lineJoin = 'round';
      paper.beginPath();
      drag.places.forEach(([x, y], k) => paper[k ? 'lineTo' : 'moveTo'](x * px, y * py + (k ? 0 : 0.01)));
      paper.stroke();
    }
    if (!this.hover) return;
    paper.beginPath();
    paper.arc(this.hover[0] * px, this.hover[1] * py, this.size / 2 * px, 0, 7);
    paper.lineWidth = 1.5;
    paper.strokeStyle = '#fff';
    paper.stroke();
  }
}
