// Talks to vrm: every address is relative to the page's own, which begins with the token.

async function answer(response) {
  const record = await response.json();
  if (!response.ok) throw new Error(record.error || 'vrm refused that.');
  return record;
}

export const get = async (path) => answer(await fetch(path));

export const post = async (path, record) => answer(await fetch(path, {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(record),
}));

/** Calls `changed` with each state that vrm tells, and `gone` when it tells no more (with true) or again (false). */
export function listen(changed, gone) {
  const source = new EventSource('api/events');
  source.onmessage = (event) => { gone(false); changed(JSON.parse(event.data)); };
  source.onerror = () => gone(true);
}

/** Pictures by address, the last ones kept; a picture that fails is an Error. */
export class Pictures {
  constructor(most) { this.most = most; this.kept = new Map(); }

  /** The picture, or a promise of it. */
  load(path) {
    let found = this.kept.get(path);
    if (found) {
      this.kept.delete(path);
      this.kept.set(path, found);
      return found;
    }
    found = this.fetched(path);
    this.kept.set(path, found);
    found.then((picture) => this.kept.has(path) && this.kept.set(path, picture), () => this.kept.delete(path));
    for (const old of this.kept.keys()) {
      if (this.kept.size <= this.most) break;
      this.kept.delete(old);
    }
    return found;
  }

  async fetched(path) {
    const response = await fetch(path);
    if (!response.ok) throw new Error((await response.json()).error);
    return createImageBitmap(await response.blob());
  }
}

const decoded = (base64) => new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: 'image/png' });

/** Overlays by frame: what goes there as a picture, how sure that is, and what vrm says of it. */
export class Overlays {
  constructor(most) { this.most = most; this.kept = new Map(); }

  load(frame, said, effects, rough = false) {
    const path = `api/overlay/${frame}?said=${said}&effects=${effects ? 1 : 0}&rough=${rough ? 1 : 0}`;
    if (!this.kept.has(path)) {
      const made = get(path).then(async (found) => {
        if (found.png) found.picture = await createImageBitmap(decoded(found.png));
        if (this.kept.has(path)) this.kept.set(path, found);
        return found;
      });
      made.catch(() => this.kept.delete(path));
      this.kept.set(path, made);
      for (const old of this.kept.keys()) {
        if (this.kept.size <= this.most) break;
        this.kept.delete(old);
      }
    }
    return this.kept.get(path);
  }
}
