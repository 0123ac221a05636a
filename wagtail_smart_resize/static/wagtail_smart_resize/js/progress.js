/*
 * Updates an image's screen while requests are under way.
 *
 * The server sends changed cards as HTML. A card with the focus is replaced once it has lost it, and
 * choices that are not submitted yet are kept. All texts come from data attributes.
 */
class SmartResizeProgressController extends window.StimulusModule.Controller {
  static targets = ['summary', 'card', 'generate', 'bar'];

  static values = {
    url: String,
    source: String,
    active: { type: Number, default: 0 },
    interval: { type: Number, default: 2000 },
    longest: { type: Number, default: 15000 },
    busy: String,
    done: String,
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

  activeValueChanged(active, before) {
    if (active > 0) document.title = `${this.busyValue} · ${this.title}`;
    else if (before > 0 && !this.ended) document.title = `${this.doneValue} · ${this.title}`;
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
    this.stop();
    this.abort = new AbortController();
    const { signal } = this.abort;
    try {
      const response = await fetch(this.address(), {
        // With this header Wagtail answers with a status instead of a redirect to its login.
        headers: { 'X-Requested-With': 'XMLHttpRequest' },
        signal,
      });
      if (this.isOver(response)) return;
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      this.update(await response.json());
      this.recovered();
    } catch (error) {
      if (signal.aborted) return;
      this.interrupted();
    }
    if (this.activeValue > 0) this.schedule();
  }

  address() {
    const url = new URL(this.urlValue, window.location.href);
    const have = this.cardTargets.map(({ dataset }) => `${dataset.key}:${dataset.etag}`);
    url.searchParams.set('have', have.join(','));
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
    this.message('error', text);
    return true;
  }

  interrupted() {
    this.failures += 1;
    if (this.failures === 1) this.message('warning', this.offlineValue);
  }

  recovered() {
    if (this.failures) document.dispatchEvent(new CustomEvent('w-messages:clear'));
    this.failures = 0;
  }

  message(type, text) {
    const detail = { clear: true, type, text };
    document.dispatchEvent(new CustomEvent('w-messages:add', { detail }));
  }

  update({ active, cards, replaced, summary }) {
    if (replaced) {
      this.end(this.replacedValue);
      return;
    }
    const left = cards.filter((card) => !this.renew(card)).length;
    this.unchanged = cards.length ? 0 : this.unchanged + 1;
    if (this.summaryTarget.textContent !== summary) this.summaryTarget.textContent = summary;
    // Go on polling while a card could not be replaced.
    this.activeValue = active + left;
  }

  /** Replace a card; return false if it must wait because the user is at work in it. */
  renew({ busy, etag, html, key }) {
    const card = this.cardTargets.find(({ dataset }) => dataset.key === key);
    if (!card) return true;
    if (card.contains(document.activeElement)) return false;
    const chosen = card.querySelector('input[type=radio]:checked');
    const unsent = chosen && !chosen.defaultChecked ? chosen.value : '';
    card.innerHTML = html;
    card.dataset.etag = etag;
    if (unsent) {
      const same = card.querySelector(`input[type=radio][value="${unsent}"]:enabled`);
      if (same) same.checked = true;
    }
    this.generateTargets
      .filter(({ dataset }) => dataset.key === key)
      .forEach((element) => {
        element.hidden = busy;
      });
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
      const note = bar.parentElement.querySelector('[data-smart-resize-slow]');
      if (note) note.hidden = elapsed <= usual * 1.5;
    });
  }
}

window.wagtail.app.register('smart-resize-progress', SmartResizeProgressController);
