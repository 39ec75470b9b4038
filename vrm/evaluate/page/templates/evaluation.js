for (const clip of document.querySelectorAll('.clip')) {
  const find = (name) => clip.querySelector(name), films = clip.querySelectorAll('.film');
  const frames = JSON.parse(clip.dataset.frames), scrub = find('.scrub'), wipe = find('.where');
  const draw = () => {
    const k = +scrub.value, n = frames.length;
    find('output').textContent = 'frame ' + frames[k];
    const kind = find('.kind').value;
    for (const film of films) {
      const url = film.dataset[kind] || film.dataset.picture;
      film.style.backgroundImage = 'url("' + url + '")';
      film.style.backgroundSize = '100% ' + 100 * n + '%';
      film.style.backgroundPosition = '0 ' + (n > 1 ? 100 * k / (n - 1) : 0) + '%';
    }
    find('.after').style.clipPath = 'inset(0 0 0 ' + wipe.value + '%)';
  };
  find('.which').onchange = (event) => { find('.after').dataset.picture = event.target.value; draw(); };
  for (const control of [scrub, wipe, find('.kind')]) control.oninput = draw;
  let playing = null;
  find('.play').onclick = () => {
    if (playing) { clearInterval(playing); playing = null; return; }
    playing = setInterval(() => { scrub.value = (+scrub.value + 1) % frames.length; draw(); }, 250);
  };
  new IntersectionObserver((seen, watch) => { if (seen[0].isIntersecting) { draw(); watch.disconnect(); } },
    { rootMargin: '600px' }).observe(clip);
}
