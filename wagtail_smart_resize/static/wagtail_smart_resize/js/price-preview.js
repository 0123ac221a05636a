/* Shows what Generate would buy for the chosen number of pictures. */
class SmartResizeOfferController extends window.StimulusModule.Controller {
  static targets = ['button', 'sentence'];

  static values = { buttons: Object, sentences: Object };

  connect() {
    this.tell();
  }

  tell() {
    const count = this.element.elements.candidates?.value;
    if (count in this.buttonsValue) this.buttonTarget.textContent = this.buttonsValue[count];
    if (count in this.sentencesValue) this.sentenceTarget.textContent = this.sentencesValue[count];
  }
}

window.wagtail.app.register('smart-resize-offer', SmartResizeOfferController);
