/**
 * Adds keyboard shortcuts and selection to the review queue. Buttons work without it.
 *
 * Single keys act on the entry that has the focus, and only if the user's account allows keyboard
 * shortcuts: https://www.w3.org/WAI/WCAG22/Understanding/character-key-shortcuts.html
 */
class SmartResizeReviewController extends window.StimulusModule.Controller {
  static targets = ['all', 'allBox', 'box', 'count', 'entry', 'submit'];

  static values = {
    shortcuts: { type: Boolean, default: true },
    none: String,
    some: String,
  };

  connect() {
    this.sent = false;
    this.allTarget.hidden = false;
    this.update();
  }

  /** Reset the state when the page is shown, also from the browser's history. */
  ready({ persisted } = {}) {
    this.sent = false;
    const entry = document.getElementById(window.location.hash.slice(1));
    if (!persisted && entry && this.entryTargets.includes(entry)) this.goOn(entry);
  }

  // Keys

  key(event) {
    if (!this.shortcutsValue || this.sent || this.isTaken(event)) return;
    const act = this.actionOf(event.key);
    if (!act) return;
    event.preventDefault();
    const current = this.entryTargets.find((entry) => entry.contains(document.activeElement));
    if (current) act(current);
    else this.show(this.entryTargets[0]);
  }

  isTaken(event) {
    if (event.defaultPrevented || event.repeat) return true;
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return true;
    const typing = 'input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog] *';
    return event.target instanceof Element && event.target.matches(typing);
  }

  actionOf(key) {
    const rtl = document.documentElement.dir === 'rtl';
    const actions = {
      j: (entry) => this.move(entry, 1),
      k: (entry) => this.move(entry, -1),
      ArrowRight: (entry) => this.move(entry, rtl ? -1 : 1),
      ArrowLeft: (entry) => this.move(entry, rtl ? 1 : -1),
      a: (entry) => this.press(entry, '[data-smart-resize-review-approve]', 0),
      d: (entry) => this.press(entry, '[data-smart-resize-review-decline]', 0),
      x: (entry) => this.toggle(entry),
    };
    if (/^[1-9]$/.test(key)) {
      return (entry) => this.press(entry, '[data-smart-resize-review-approve]', Number(key) - 1);
    }
    return actions[key];
  }

  move(entry, by) {
    const next = this.entryTargets[this.entryTargets.indexOf(entry) + by];
    if (next) this.show(next);
  }

  show(entry, place = entry) {
    entry.focus({ preventScroll: true });
    place.scrollIntoView({ block: 'start' });
  }

  /** Restore the focus after a decision, keeping the message at the top of the list in sight. */
  goOn(entry) {
    const told = entry === this.entryTargets[0] && document.querySelector('.messages');
    this.show(entry, told || entry);
  }

  press(entry, selector, index) {
    const button = entry.querySelectorAll(selector)[index];
    if (!button) return;
    this.sent = true;
    button.click();
  }

  // Selection

  toggle(entry) {
    const box = this.boxesOf(entry)[0];
    if (box) box.click();
  }

  /** Allow one selected picture per shape. */
  select({ target }) {
    const entry = this.entryTargets.find((each) => each.contains(target));
    this.boxesOf(entry).forEach((box) => {
      if (box !== target) box.checked = false;
    });
    this.update();
  }

  selectAll({ target }) {
    this.entryTargets.forEach((entry) => {
      this.boxesOf(entry).forEach((box, index) => {
        box.checked = target.checked && index === 0;
      });
    });
    this.update();
  }

  boxesOf(entry) {
    return this.boxTargets.filter((box) => entry.contains(box));
  }

  update() {
    const count = this.boxTargets.filter((box) => box.checked).length;
    const entries = this.entryTargets.length;
    this.submitTarget.disabled = count === 0;
    this.allBoxTarget.checked = count === entries;
    this.allBoxTarget.indeterminate = count > 0 && count < entries;
    this.countTarget.textContent = count
      ? this.someValue.replace('{count}', count.toLocaleString(document.documentElement.lang))
      : this.noneValue;
  }
}

window.wagtail.app.register('smart-resize-review', SmartResizeReviewController);
