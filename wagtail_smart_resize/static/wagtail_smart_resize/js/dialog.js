/*
 * The dialog of a screen, and the notes that offer to undo a decision.
 *
 * Links marked with `data-smart-resize-open` open in it: their address gives a part of a page. Such
 * a link works by itself in a new tab, too.
 */
class SmartResizeDialogController extends window.StimulusModule.Controller {
  static values = { element: String, opened: String, undo: String, failed: String };

  connect() {
    this.onDecided = ({ detail }) => this.note(detail);
    this.onKey = (event) => this.key(event);
    document.addEventListener('smart-resize:decided', this.onDecided);
    document.addEventListener('keydown', this.onKey);
    // The dialog is moved out of its template by another controller.
    if (this.openedValue) setTimeout(() => this.load(this.openedValue));
  }

  disconnect() {
    document.removeEventListener('smart-resize:decided', this.onDecided);
    document.removeEventListener('keydown', this.onKey);
  }

  get dialog() {
    return document.getElementById(this.elementValue);
  }

  get body() {
    return this.dialog?.querySelector('[data-smart-resize-dialog-body]');
  }

  follow(event) {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target instanceof Element && event.target.closest('[data-smart-resize-open]');
    if (!link) return;
    event.preventDefault();
    this.load(link.href);
  }

  showThis({ detail: { html } }) {
    this.show(html);
  }

  open({ detail: { url } }) {
    this.load(url);
  }

  async load(url) {
    let response = null;
    try {
      response = await window.smartResize.get(url);
    } catch {
      // Told below.
    }
    if (!response?.ok || response.redirected) {
      const answer = await response?.json().catch(() => ({}));
      window.smartResize.warn(answer?.text || this.failedValue);
      return;
    }
    this.show(await response.text());
  }

  show(html) {
    const { body, dialog } = this;
    if (!body) return;
    body.innerHTML = html;
    const content = body.firstElementChild;
    dialog.classList.toggle('smart-resize-dialog--small', content.matches('[data-smart-resize-small]'));
    const title = dialog.querySelector(`#title-text-${this.elementValue}`);
    const heading = content.querySelector('h2');
    if (title && heading) title.replaceChildren(...heading.cloneNode(true).childNodes);
    dialog.dispatchEvent(new CustomEvent('w-dialog:show'));
  }

  close() {
    this.dialog?.dispatchEvent(new CustomEvent('w-dialog:hide'));
    if (this.body) this.body.replaceChildren();
  }

  // Notes

  get notes() {
    let notes = document.querySelector('.smart-resize-notes');
    if (!notes) {
      notes = document.createElement('div');
      notes.className = 'smart-resize-notes';
      notes.setAttribute('role', 'status');
      document.body.append(notes);
    }
    return notes;
  }

  note({ text, undo }) {
    const note = document.createElement('div');
    note.className = 'smart-resize-noted';
    const said = document.createElement('p');
    said.textContent = text;
    const button = document.createElement('button');
    button.type = 'button';
    button.append(`${this.undoValue} `, this.keyCap('Z'));
    button.addEventListener('click', () => this.undo(note));
    const left = document.createElement('span');
    left.className = 'smart-resize-noted__left';
    left.style.animationDuration = `${undo.seconds}s`;
    note.append(said, button, left);
    note.undo = undo;
    this.notes.append(note);
    setTimeout(() => note.remove(), undo.seconds * 1000);
  }

  keyCap(letter) {
    const cap = document.createElement('kbd');
    cap.textContent = letter;
    cap.setAttribute('aria-hidden', 'true');
    return cap;
  }

  async undo(note) {
    const { fields, rows = [], url } = note.undo;
    const body = new FormData();
    Object.entries(fields).forEach(([name, value]) => {
      [].concat(value).forEach((each) => body.append(name, each));
    });
    note.remove();
    const answer = await window.smartResize.act(url, body);
    if (answer) window.smartResize.tell('smart-resize:undone', { rows });
  }

  /* Z undoes the last decision. */
  key(event) {
    if (event.key !== 'z' || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target instanceof Element && event.target.matches('input, textarea, select, [contenteditable]')) return;
    const note = document.querySelector('.smart-resize-notes')?.lastElementChild;
    if (note) this.undo(note);
  }
}

window.wagtail.app.register('smart-resize-dialog', SmartResizeDialogController);
