/*
 * Shows below each image in Wagtail's page editor where this page shows it, and as what.
 *
 * The server renders the page's draft to know. What the dialog needs is loaded once there is
 * something to show.
 */
(() => {
  const match = window.location.pathname.match(/\/pages\/\d+\/edit\/$/);
  if (!match) return;
  const address = new URL('../smart-resize/', window.location.href);
  const headers = { 'X-Requested-With': 'XMLHttpRequest' };
  let answer = null;

  function choosers() {
    return document.querySelectorAll('.image-chooser');
  }

  function holderOf(chooser) {
    let holder = chooser.parentElement.querySelector(':scope > [data-smart-resize-strip]');
    if (!holder) {
      holder = document.createElement('div');
      holder.dataset.smartResizeStrip = '';
      chooser.after(holder);
    }
    return holder;
  }

  function draw(chooser) {
    const input = chooser.parentElement.querySelector('input[type=hidden]');
    const key = input?.value;
    const holder = holderOf(chooser);
    const strip = key ? answer.strips[key] : '';
    const text = strip || !key ? '' : answer.other;
    if (holder.dataset.shown === (strip || text)) return;
    holder.dataset.shown = strip || text;
    if (strip) holder.innerHTML = strip;
    else holder.textContent = text;
    holder.classList.toggle('smart-resize-on-page__later', Boolean(text));
  }

  function drawAll() {
    if (!answer || !Object.keys(answer.strips).length) return;
    choosers().forEach(draw);
    drawTried();
  }

  function drawTried() {
    const panel = document.querySelector('[data-side-panel="preview"]');
    // Unchanged, it is left alone: what is watched here must not change itself for ever.
    if (!panel || panel.dataset.smartResizeTried === answer.tried) return;
    panel.dataset.smartResizeTried = answer.tried;
    panel.querySelector('.smart-resize-tried')?.remove();
    if (answer.tried) panel.insertAdjacentHTML('beforeend', answer.tried);
  }

  function loadAssets({ css = [], js = [] }) {
    css.forEach((href) => {
      if (document.querySelector(`link[href="${href}"]`)) return;
      const link = document.createElement('link');
      link.rel = 'stylesheet';
      link.href = href;
      document.head.append(link);
    });
    js.forEach((src) => {
      if (document.querySelector(`script[src="${src}"]`)) return;
      const script = document.createElement('script');
      script.src = src;
      script.async = false;
      document.head.append(script);
    });
  }

  async function load() {
    if (!choosers().length) return;
    try {
      const response = await fetch(address, { headers });
      if (!response.ok || response.redirected) return;
      answer = await response.json();
    } catch {
      return;
    }
    loadAssets(answer);
    if (answer.dialog && !document.getElementById('smart-resize-dialog-here')) {
      const here = document.createElement('div');
      here.id = 'smart-resize-dialog-here';
      here.innerHTML = answer.dialog;
      document.body.append(here);
    }
    drawAll();
  }

  async function show(candidate) {
    const body = new FormData();
    if (candidate) body.set('candidate', candidate);
    const response = await window.smartResize.post(new URL('preview/', address), body);
    const { text } = await response.json();
    window.smartResize.tell('w-messages:add', { clear: true, text, type: response.ok ? 'success' : 'error' });
    await load();
    refreshPreview();
  }

  /* Wagtail's own preview panel, if it is there: it shows what the server renders now. */
  function refreshPreview() {
    const element = document.querySelector('[data-controller~="w-preview"]');
    const controller =
      element && window.wagtail.app.getControllerForElementAndIdentifier(element, 'w-preview');
    if (controller?.reloadIframe) controller.reloadIframe();
  }

  document.addEventListener('change', ({ target }) => {
    if (answer && target instanceof Element && target.matches('input[type=hidden]')) drawAll();
  });
  document.addEventListener('smart-resize:changed', load);
  document.addEventListener('smart-resize:preview', ({ detail }) => show(detail.value));
  document.addEventListener('click', ({ target }) => {
    if (target instanceof Element && target.closest('[data-smart-resize-untry]')) show('');
  });
  // Choosers come and go in stream fields, and without an event when an image is chosen.
  new MutationObserver(() => {
    if (answer) drawAll();
  }).observe(document.body, { childList: true, subtree: true });
  window.addEventListener('load', load);
})();
