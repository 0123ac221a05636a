/* Lays the recomposed picture over the crop; a slider sets how much of each is visible. */
class SmartResizeCompareController extends window.StimulusModule.Controller {
  static targets = ['range'];

  connect() {
    this.show();
  }

  show() {
    this.element.style.setProperty('--smart-resize-shown', `${this.rangeTarget.value}%`);
  }
}

window.wagtail.app.register('smart-resize-compare', SmartResizeCompareController);
