// Wipes between two pictures, and pictures that enlarge: on every page.
document.addEventListener('input', (event) => {
  const wipe = event.target.closest('.wipe');
  if (wipe) wipe.style.setProperty('--at', event.target.value + '%');
});
const large = document.querySelector('dialog');
document.addEventListener('click', (event) => {
  if (event.target === large || event.target.closest('dialog .close')) return large.close();
  const figure = event.target.matches('.enlarge, figure > img, figure > .film') && event.target.closest('figure');
  if (!figure || figure.closest('dialog')) return;
  const view = figure.firstElementChild.cloneNode(true), close = document.createElement('button');
  const size = figure.firstElementChild.getBoundingClientRect();
  view.style.width = `min(94vw, ${88 * size.width / size.height}vh)`;
  close.textContent = 'close';
  close.className = 'close';
  large.replaceChildren(view, close);
  large.showModal();
});
