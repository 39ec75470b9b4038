for (const clip of document.querySelectorAll('.clip')) {
  const find = (name) => clip.querySelector(name), frames = JSON.parse(clip.dataset.frames), scrub = find('.scrub');
  const show = (film, from, kind) => {
    const k = +scrub.value, n = frames.length, url = from.dataset[kind] || from.dataset.picture;
    film.style.backgroundImage = 'url("' + url + '")';
    film.style.backgroundSize = '100% ' + 100 * n + '%';
    film.style.backgroundPosition = '0 ' + (n > 1 ? 100 * k / (n - 1) : 0) + '%';
  };
  const draw = () => {
    find('output').textContent = 'frame ' + frames[+scrub.value];
    const films = clip.querySelectorAll('.films .film');
    for (const film of films) show(film, film, find('.kind').value);
    show(find('.before'), films[0], 'picture');
    show(find('.after'), films[+find('.which').value], 'picture');
  };
  for (const control of [scrub, find('.kind'), find('.which')]) control.oninput = draw;
  let playing = null;
  find('.play').onclick = () => {
    if (playing) { clearInterval(playing); playing = null; return; }
    playing = setInterval(() => { scrub.value = (+scrub.value + 1) % frames.length; draw(); }, 250);
  };
  new IntersectionObserver((seen, watch) => { if (seen[0].isIntersecting) { draw(); watch.disconnect(); } },
    { rootMargin: '600px' }).observe(clip);
}
