/*
 * Keeps an image's contact sheet up to date while anything in it can still change.
 *
 * The server sends the sheet as HTML when it has changed. It is replaced once nothing in it has the
 * focus. All texts come from data attributes or from the server.
 */
class SmartResizeSheetController extends window.StimulusModule.Controller {
  static targets = ['bar', 'sheet', 'summary'];

  static values = {
    url: String,
    source: String,
    etag: String,
    active: { type: Number, default: 0 },
    interval: { type: Number, default: 2000 },
    longest: { type: Number, default: 15000 },
    headline: String,
    offline: String,
    denied: String,
    gone: String,
    replaced: String,
  };

  initialize() {
    this.title = document.title;
    this.failures = 0;
    this.unchanged = 0;
    this.started = new WeakMap();
  }

  connect() {
    this.onVisible = () => this.returned();
    document.addEventListener('visibilitychange', this.onVisible);
    this.ticking = setInterval(() => this.moveBars(), 1000);
    if (this.activeValue > 0) this.schedule();
  }

  disconnect() {
    document.removeEventListener('visibilitychange', this.onVisible);
    clearInterval(this.ticking);
    this.stop();
    document.title = this.title;
  }

  /** Send the form of a button within the screen. */
  async send(event) {
    if (event.target.method !== 'post') return;
    const answer = await window.smartResize.send(event);
    // What concerns the whole image changes more than the sheet.
    if (answer && event.target.closest('.smart-resize-ask') && !answer.undo) window.location.reload();
  }

  activeValueChanged(active, before) {
    if (active > 0 || before > 0) this.tell();
  }

  headlineValueChanged(_headline, before) {
    if (before) this.tell();
  }

  tell() {
    if (!this.ended) document.title = `${this.headlineValue} · ${this.title}`;
  }

  returned() {
    if (document.hidden) return;
    if (this.activeValue > 0) this.poll();
    else document.title = this.title;
  }

  /* Poll less often the longer nothing changes, the page is hidden, or the server fails. */
  wait() {
    if (document.hidden) return this.longestValue;
    const patience = this.failures ? 2 ** this.failures : 1.15 ** Math.max(0, this.unchanged - 20);
    return Math.min(this.intervalValue * patience, this.longestValue);
  }

  schedule() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), this.wait());
  }

  stop() {
    clearTimeout(this.timer);
    this.abort?.abort();
  }

  async poll() {
    if (this.ended) return;
    this.stop();
    this.abort = new AbortController();
    const { signal } = this.abort;
    try {
      const response = await window.smartResize.get(this.address(), signal);
      if (this.isOver(response)) return;
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      this.update(await response.json());
      this.recovered();
    } catch {
      if (signal.aborted) return;
      this.interrupted();
    }
    if (this.activeValue > 0) this.schedule();
  }

  address() {
    const url = new URL(this.urlValue, window.location.href);
    const size = new URL(window.location.href).searchParams.get('size');
    if (size) url.searchParams.set('size', size);
    url.searchParams.set('have', this.etagValue);
    url.searchParams.set('source', this.sourceValue);
    return url;
  }

  isOver(response) {
    if (response.status === 404) return this.end(this.goneValue);
    if (response.status === 403 || response.redirected) return this.end(this.deniedValue);
    return false;
  }

  /* Stop polling: the image is gone, or the user may not see it any more. */
  end(text) {
    this.ended = true;
    this.activeValue = 0;
    document.title = this.title;
    window.smartResize.warn(text);
    return true;
  }

  interrupted() {
    this.failures += 1;
    const detail = { clear: true, text: this.offlineValue, type: 'warning' };
    if (this.failures === 1) window.smartResize.tell('w-messages:add', detail);
  }

  recovered() {
    if (this.failures) window.smartResize.tell('w-messages:clear');
    this.failures = 0;
  }

  update({ active, etag, focal, headline, html, replaced, summary }) {
    if (replaced) {
      this.end(this.replacedValue);
      return;
    }
    if (this.summaryTarget.textContent !== summary) this.summaryTarget.textContent = summary;
    if (this.headlineValue !== headline) this.headlineValue = headline;
    window.smartResize.tell('smart-resize:focal', { area: focal });
    this.unchanged = html ? 0 : this.unchanged + 1;
    const kept = html && !this.renew(html, etag);
    // Go on polling while the sheet could not be replaced.
    this.activeValue = active + (kept ? 1 : 0);
  }

  /** Replace the sheet; return false if it must wait because somebody is at work in it. */
  renew(html, etag) {
    const focused = document.activeElement;
    if (this.sheetTarget.contains(focused) && !focused.matches('a, button, summary')) return false;
    const key = this.sheetTarget.contains(focused) && focused.closest('[data-key]')?.dataset.key;
    const unfolded = this.sheetTarget.querySelector('details')?.open;
    this.sheetTarget.innerHTML = html;
    this.etagValue = etag;
    const fold = this.sheetTarget.querySelector('details');
    if (fold && unfolded) fold.open = true;
    if (key) this.sheetTarget.querySelector(`[data-key="${key}"] a`)?.focus({ preventScroll: true });
    this.moveBars();
    return true;
  }

  /* Calculate as the server does: linear up to 90 % of the usual time, then ever slower. */
  moveBars() {
    this.barTargets.forEach((bar) => {
      if (!this.started.has(bar)) {
        this.started.set(bar, Date.now() - Number(bar.dataset.elapsed) * 1000);
      }
      const usual = Number(bar.dataset.usual);
      const elapsed = (Date.now() - this.started.get(bar)) / 1000;
      const over = Math.max(0, elapsed - usual) / usual;
      bar.value = over ? Math.min(96, 90 + (7 * over) / (1 + over)) : (90 * elapsed) / usual;
      const text = bar.parentElement.querySelector('[data-about]');
      if (text) text.textContent = this.remaining(text.dataset, usual - elapsed, usual);
    });
  }

  remaining({ about, nearly, slow }, seconds, usual) {
    if (seconds < -usual / 2) return slow;
    if (seconds < 5) return nearly;
    return about.replace('{count}', String(Math.ceil(seconds / 5) * 5));
  }
}

window.wagtail.app.register('smart-resize-sheet', SmartResizeSheetController);
