/*
 * Leads from an image chooser's menu to the image's screen, for those who may see it. Only the link
 * to the edit page, beside ours, tells which image is chosen. The menu is made anew whenever it
 * opens, so what is shown is always about that image.
 */
class SmartResizeChooserLinkController extends window.StimulusModule.Controller {
  static known = new Map();

  async connect() {
    const edit = this.element.parentElement.querySelector('[data-chooser-edit-link]');
    if (!edit?.getAttribute('href')) return;
    const url = new URL('smart-resize/', edit.href).href;
    this.element.href = url;
    this.element.hidden = !(await this.maySee(url));
  }

  maySee(url) {
    const { known } = this.constructor;
    if (!known.has(url)) known.set(url, this.ask(url));
    return known.get(url);
  }

  async ask(url) {
    try {
      const headers = { 'X-Requested-With': 'XMLHttpRequest' };
      const response = await fetch(new URL('may-see/', url), { headers });
      return (await response.json()).may_see === true;
    } catch {
      this.constructor.known.delete(url);
      return false;
    }
  }
}

window.wagtail.app.register('smart-resize-chooser-link', SmartResizeChooserLinkController);
