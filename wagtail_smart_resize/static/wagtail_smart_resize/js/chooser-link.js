/*
 * Adds a link to the image's screen to the menu of image choosers, for users who may see it. The id
 * of the chosen image is taken from the edit link beside it. The menu is built whenever it opens, so
 * the link always belongs to the chosen image.
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
