/* Shows a picture enlarged in Wagtail's dialog, from the template beside the button. */
class SmartResizeEnlargeController extends window.StimulusModule.Controller {
  static targets = ['button'];

  static values = { dialog: String };

  // Hidden without scripts, where the button would do nothing.
  buttonTargetConnected(button) {
    button.hidden = false;
  }

  open({ currentTarget }) {
    const template = currentTarget.parentElement.querySelector('template');
    const dialog = document.getElementById(this.dialogValue);
    const body = dialog?.querySelector('[data-smart-resize-enlarge-body]');
    if (!template || !body) return;
    body.replaceChildren(template.content.cloneNode(true));
    body.querySelectorAll('[data-ratio]').forEach(({ dataset, style }) => {
      style.setProperty('--smart-resize-ratio', dataset.ratio);
    });
    dialog.dispatchEvent(new CustomEvent('w-dialog:show'));
  }
}

window.wagtail.app.register('smart-resize-enlarge', SmartResizeEnlargeController);
