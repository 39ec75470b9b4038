// The keyboard: the keys of the page, and the list of them.

/** Let keys do what `app` can, and write them into a list. */
export function keys(app, list) {
  const tool = (name) => () => app.tool(name);
  const known = {
    ' ': [() => app.play(!app.playing), 'Space', 'play, pause'],
    ArrowLeft: [() => app.step(-1), '← →', 'one frame back, on'],
    ArrowRight: [() => app.step(1)],
    'Shift+ArrowLeft': [() => app.step(-10), 'Shift ← →', 'ten frames back, on'],
    'Shift+ArrowRight': [() => app.step(10)],
    Home: [() => app.jump(0), 'Home, End', 'first, last frame'],
    End: [() => app.jump(app.length - 1)],
    n: [() => app.problem(1), 'N, Shift N', 'next, last place where following is unsure, lost or large'],
    'Shift+n': [() => app.problem(-1)],
    b: [tool('box'), 'B', 'box'],
    g: [tool('goes'), 'G', 'click on what goes'],
    s: [tool('stays'), 'S', 'click on what stays'],
    p: [tool('brush'), 'P', 'brush'],
    e: [tool('eraser'), 'E', 'eraser'],
    r: [tool('rectangle'), 'R', 'rectangle of every frame'],
    m: [tool('move'), 'M', 'move the picture'],
    ',': [() => app.brush(app.viewer.size - 4), ', .', 'smaller, larger brush'],
    '.': [() => app.brush(app.viewer.size + 4)],
    '+': [() => app.viewer.zoomTo(app.viewer.zoom * 1.4), '+ − 0', 'zoom in, out, fit; the wheel zooms too'],
    '-': [() => app.viewer.zoomTo(app.viewer.zoom / 1.4)],
    0: [() => app.viewer.zoomTo(1)],
    '[': [() => app.setRange(0), '[ ]', 'the range begins, ends here'],
    ']': [() => app.setRange(1)],
    'Ctrl+z': [() => app.edit({ do: 'undo' }), 'Ctrl Z', 'undo'],
    'Ctrl+Shift+z': [() => app.edit({ do: 'redo' }), 'Ctrl Shift Z', 'redo'],
    'Ctrl+y': [() => app.edit({ do: 'redo' })],
    '?': [() => document.getElementById('keys').showModal(), '?', 'this list'],
  };
  list.replaceChildren(...Object.values(known).filter((key) => key[1]).flatMap(([, shown, does]) => {
    const term = document.createElement('dt'), text = document.createElement('dd');
    term.textContent = shown;
    text.textContent = does;
    return [term, text];
  }));
  document.addEventListener('keydown', (event) => {
    const target = event.target;
    const types = target.matches('input:not([type]), input[type=number], input.name, select, textarea');
    if (types || document.querySelector('dialog[open]')) return;
    // The button of a dialog that has just closed may hold the focus still.
    if (event.key === ' ' && target.matches('button, summary, input, [role=tab]') && target.checkVisibility()) return;
    if (event.key.startsWith('Arrow') && target.matches('input[type=range]')) return;
    const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const shift = event.shiftKey && (letter.length > 1 || /[a-z]/.test(letter)) ? 'Shift+' : '';
    const name = `${event.ctrlKey || event.metaKey ? 'Ctrl+' : ''}${shift}${letter}`;
    if (event.altKey || !known[name]) return;
    event.preventDefault();
    known[name][0]();
  });
}
