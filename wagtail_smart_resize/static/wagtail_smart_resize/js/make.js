/* The form that asks for AI versions: wishes by one click, and the price of what is chosen. */
class SmartResizeMakeController extends window.StimulusModule.Controller {
  static targets = ['button', 'sentence', 'wish'];

  static values = { sentences: Object, buttons: Object };

  connect() {
    this.markWishes();
    this.prompt.addEventListener('input', () => this.markWishes());
  }

  get prompt() {
    return this.element.querySelector('[name=prompt]');
  }

  sentence(button) {
    return `${button.textContent.trim()}.`;
  }

  /** Write a wish's sentence into the prompt, or take it out again. */
  wish({ currentTarget }) {
    const sentence = this.sentence(currentTarget);
    const { prompt } = this;
    prompt.value = prompt.value.includes(sentence)
      ? prompt.value.replace(sentence, '').replace(/ {2,}/g, ' ').trim()
      : `${prompt.value.trim()} ${sentence}`.trim();
    this.markWishes();
  }

  markWishes() {
    this.wishTargets.forEach((button) => {
      const isIn = this.prompt.value.includes(this.sentence(button));
      button.setAttribute('aria-pressed', String(isIn));
    });
  }

  tell() {
    const count = this.element.querySelector('[name=candidates]:checked')?.value;
    if (!count) return;
    this.buttonTarget.textContent = this.buttonsValue[count];
    this.sentenceTarget.textContent = this.sentencesValue[count];
  }

  cancel() {
    window.smartResize.tell('smart-resize:close');
  }

  async send(event) {
    event.preventDefault();
    event.stopPropagation();
    if (this.sending) return;
    this.sending = true;
    this.buttonTarget.disabled = true;
    const { element } = this;
    let response = null;
    try {
      response = await window.smartResize.post(element.getAttribute('action'), new FormData(element));
    } catch {
      // Told below.
    }
    this.sending = false;
    this.buttonTarget.disabled = false;
    if (response?.status === 422) {
      const holder = document.createElement('div');
      holder.innerHTML = await response.text();
      element.replaceWith(holder.firstElementChild);
      return;
    }
    const answer = await response?.json().catch(() => ({}));
    if (!response?.ok) {
      window.smartResize.warn(answer?.text || `HTTP ${response?.status ?? 0}`);
      return;
    }
    window.smartResize.tell('smart-resize:close');
    window.smartResize.tell('w-messages:add', { clear: true, text: answer.text, type: 'success' });
    window.smartResize.tell('smart-resize:changed');
  }
}

window.wagtail.app.register('smart-resize-make', SmartResizeMakeController);
