/*
 * Updates the estimate as images and shapes are selected. The server calculates it; without scripts
 * a button requests it.
 */
class SmartResizeEstimateController extends window.StimulusModule.Controller {
  static targets = ['button', 'region', 'status'];

  static values = { delay: { type: Number, default: 500 }, error: String };

  connect() {
    this.buttonTarget.hidden = true;
  }

  disconnect() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.buttonTarget.hidden = false;
  }

  // Wait while a size is being typed.
  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.work(), this.delayValue);
  }

  async work() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.regionTarget.setAttribute('aria-busy', 'true');
    try {
      const html = await this.ask(signal);
      this.regionTarget.innerHTML = html;
      this.buttonTarget.hidden = true;
      this.say(this.regionTarget.querySelector('[data-smart-resize-summary]')?.textContent);
    } catch {
      if (signal.aborted) return;
      this.regionTarget.replaceChildren();
      this.buttonTarget.hidden = false;
      this.say(this.errorValue);
    }
    this.regionTarget.removeAttribute('aria-busy');
  }

  async ask(signal) {
    const { action, method } = this.element;
    const headers = { 'X-Requested-With': 'XMLHttpRequest' };
    const response = await fetch(action, { method, body: new FormData(this.element), headers, signal });
    if (!response.ok || response.redirected) throw new Error(`HTTP ${response.status}`);
    return response.text();
  }

  say(text) {
    const trimmed = text?.trim() ?? '';
    if (this.statusTarget.textContent !== trimmed) this.statusTarget.textContent = trimmed;
  }
}

window.wagtail.app.register('smart-resize-estimate', SmartResizeEstimateController);
