/* Shows a picture large, in Wagtail's dialog. What is shown lies in a template beside the button. */
class SmartResizeLookController extends window.StimulusModule.Controller {
  static targets = ['button'];

  static values = { dialog: String };

  // Without scripts the pictures stand side by side, and the button could do nothing.
  buttonTargetConnected(button) {
    button.hidden = false;
  }

  open({ currentTarget }) {
    const template = currentTarget.parentElement.querySelector('template');
    const dialog = document.getElementById(this.dialogValue);
    const body = dialog?.querySelector('[data-smart-resize-look-body]');
    if (!template || !body) return;
    body.replaceChildren(template.content.cloneNode(true));
    body.querySelectorAll('[data-ratio]').forEach(({ dataset, style }) => {
      style.setProperty('--smart-resize-ratio', dataset.ratio);
    });
    dialog.dispatchEvent(new CustomEvent('w-dialog:show'));
  }
}

window.wagtail.app.register('smart-resize-look', SmartResizeLookController);
