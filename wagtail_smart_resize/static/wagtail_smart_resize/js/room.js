/*
 * The room in which an editor compares what can be shown in a place, and decides.
 *
 * Pictures are laid over one another in the units of the place: 1000 high, and as wide as its ratio
 * makes it. Where the original lies in a version, the server works out once for each.
 */
const SMART_RESIZE_HEIGHT = 1000;

class SmartResizeRoomController extends window.StimulusModule.Controller {
  static targets = [
    'choice', 'facts', 'keep', 'label', 'live', 'map', 'marks', 'missing', 'panel', 'picture', 'preview',
    'range', 'refine', 'scale', 'seen', 'slide', 'use', 'version', 'view', 'whole',
  ];

  static values = {
    ratio: Number,
    open: Number,
    shortcuts: Boolean,
    original: String,
    width: Number,
    height: Number,
    crop: String,
    following: String,
    missing: String,
    at: String,
    enlarged: String,
    reduced: String,
  };

  initialize() {
    this.boxes = new Map();
    this.zoomed = 'whole';
    this.shown = 'side';
    this.middle = { x: 0.5, y: 0.5 };
    this.marked = true;
  }

  connect() {
    this.onResize = () => this.draw();
    window.addEventListener('resize', this.onResize);
    this.select(this.choiceTargets[this.openValue] || this.choiceTargets[0]);
  }

  disconnect() {
    window.removeEventListener('resize', this.onResize);
  }

  // Units

  get across() {
    return SMART_RESIZE_HEIGHT * this.ratioValue;
  }

  /* The original in the units of the place, or null where it was not found. */
  get box() {
    const share = this.boxes.get(this.selected);
    if (!share) return null;
    const [left, top, width, height] = share;
    return {
      x: left * this.across,
      y: top * SMART_RESIZE_HEIGHT,
      width: width * this.across,
      height: height * SMART_RESIZE_HEIGHT,
    };
  }

  // What is selected

  choose({ currentTarget }) {
    this.select(currentTarget);
  }

  select(choice) {
    this.selected = choice;
    this.choiceTargets.forEach((each, index) => {
      each.setAttribute('aria-pressed', String(each === choice));
      if (this.factsTargets[index]) this.factsTargets[index].hidden = each !== choice;
    });
    const { chosen, label, open, picture, refine, seen, value } = choice.dataset;
    this.labelTargets.forEach((target) => {
      target.textContent = label;
    });
    this.seenTarget.hidden = !seen;
    this.drawMarks();
    const isVersion = Boolean(picture);
    this.versionTarget.hidden = !isVersion;
    if (isVersion) this.pictureTarget.src = `${picture}?side=1600`;
    if (this.hasUseTarget) {
      this.useTarget.hidden = !isVersion || Boolean(chosen);
      this.useTarget.disabled = !open;
      this.useTarget.value = value;
      this.liveTarget.hidden = !seen;
    }
    if (this.hasRefineTarget) {
      this.refineTarget.hidden = !refine;
      this.refineTarget.href = refine || '';
    }
    if (this.hasPreviewTarget) this.previewTarget.hidden = !isVersion;
    this.wait();
    this.find(choice).then(() => {
      if (this.selected === choice) this.draw();
    });
    this.draw();
  }

  /* What differs is framed, on the original and on the version. */
  drawMarks() {
    const { value } = this.selected.dataset;
    this.element.querySelectorAll('[data-spots]').forEach((spots) => {
      spots.toggleAttribute('hidden', !this.marked || spots.dataset.spots !== value);
    });
    if (this.hasMarksTarget) {
      this.marksTarget.hidden = !this.element.querySelector(`[data-spots="${value}"]`);
    }
  }

  marks() {
    this.marked = !this.marked;
    this.marksTarget.setAttribute('aria-pressed', String(this.marked));
    this.drawMarks();
    this.draw();
  }

  /** Show a spot that differs at 100 %. */
  look({ currentTarget }) {
    const [x, y] = currentTarget.dataset.middle.split(' ').map(Number);
    this.middle = { x, y };
    this.looked = currentTarget;
    this.show('full');
  }

  /* Show the next spot of the version, beginning anew after the last. */
  lookOn() {
    const spots = [...this.element.querySelectorAll('[data-smart-resize-room-target=facts]:not([hidden]) [data-middle]')];
    if (spots.length) this.look({ currentTarget: spots[(spots.indexOf(this.looked) + 1) % spots.length] });
  }

  /* Nothing is decided by a key or a button on what has not been shown yet. */
  wait() {
    if (!this.hasUseTarget || !this.selected.dataset.picture) return;
    const { selected } = this;
    this.useTarget.disabled = true;
    this.pictureTarget.decode().then(
      () => {
        if (this.selected === selected) this.useTarget.disabled = !selected.dataset.open;
      },
      () => {},
    );
  }

  async find(choice) {
    if (this.boxes.has(choice)) return;
    if (!choice.dataset.match) {
      const [left, top, width, height] = this.cropValue.split(' ').map(Number);
      const { heightValue, widthValue } = this;
      this.boxes.set(choice, [-left / width, -top / height, widthValue / width, heightValue / height]);
      return;
    }
    if (this.shown === 'side') return;
    try {
      const response = await window.smartResize.get(choice.dataset.match);
      this.boxes.set(choice, response.ok ? (await response.json()).box : null);
    } catch {
      // Asked again when it is needed again.
    }
  }

  // How it is shown

  mode({ currentTarget }) {
    this.show(currentTarget.dataset.mode);
  }

  show(mode) {
    this.shown = mode;
    this.whole(false);
    this.press('mode', mode);
    this.panelTargets.forEach((panel) => {
      panel.hidden = panel.dataset.mode !== mode;
    });
    const { selected } = this;
    this.find(selected).then(() => {
      if (this.selected === selected) this.draw();
    });
    this.draw();
  }

  press(name, value) {
    this.element.querySelectorAll(`[data-${name}][aria-pressed]`).forEach((button) => {
      button.setAttribute('aria-pressed', String(button.dataset[name] === value));
    });
  }

  zoom({ currentTarget }) {
    this.zoomed = currentTarget.dataset.zoom;
    this.press('zoom', this.zoomed);
    this.draw();
  }

  draw() {
    if (this.shown === 'slider') this.drawSlider();
    if (this.shown === 'full') this.drawLoupe();
  }

  set(element, attributes) {
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  }

  get source() {
    return this.selected.dataset.picture;
  }

  // The slider

  slide() {
    this.drawSlider();
  }

  /* What the slider shows: the whole place, or the original's part of it. */
  get frame() {
    const { box } = this;
    const whole = { x: 0, y: 0, width: this.across, height: SMART_RESIZE_HEIGHT };
    if (this.zoomed === 'whole' || !box) return whole;
    const x = Math.max(0, box.x);
    const y = Math.max(0, box.y);
    return {
      x,
      y,
      width: Math.min(this.across, box.x + box.width) - x,
      height: Math.min(SMART_RESIZE_HEIGHT, box.y + box.height) - y,
    };
  }

  drawSlider() {
    const { box, frame, slideTarget: svg } = this;
    const part = (name) => svg.querySelector(`[data-part=${name}]`);
    const isKnown = this.boxes.has(this.selected);
    const share = Number(this.rangeTarget.value) / 1000;
    const at = frame.x + frame.width * share;
    this.set(svg, { viewBox: `${frame.x} ${frame.y} ${frame.width} ${frame.height}` });
    this.missingTarget.hidden = !isKnown || Boolean(box);
    this.missingTarget.textContent = this.missingValue;
    this.rangeTarget.disabled = !box;
    const size = { width: this.across, height: SMART_RESIZE_HEIGHT };
    const href = this.source ? `${this.source}?side=1600` : '';
    this.set(part('version'), { ...size, href });
    part('original').toggleAttribute('hidden', !box);
    this.set(part('original'), { ...(box || {}), href: this.originalValue });
    this.set(part('edge'), box || { width: 0, height: 0 });
    this.set(svg.querySelector('clipPath rect'), {
      x: frame.x, y: frame.y, width: box ? frame.width * share : 0, height: frame.height,
    });
    this.set(part('line'), { x1: at, x2: at, y1: frame.y, y2: frame.y + frame.height });
    part('line').toggleAttribute('hidden', !box);
  }

  // The loupe

  /* Both sides show the part around `middle`, with one pixel of the version for one of the screen. */
  drawLoupe() {
    const { box, source } = this;
    const [original, version] = this.viewTargets;
    const full = source ? `${source}?side=6400` : this.originalValue;
    this.measure(full).then((pixels) => {
      if (this.shown !== 'full' || !pixels) return;
      const unit = SMART_RESIZE_HEIGHT / (source ? pixels.height : this.cropHeight);
      const ratio = window.devicePixelRatio || 1;
      const part = {
        width: Math.min(this.across, version.clientWidth * unit * ratio),
        height: Math.min(SMART_RESIZE_HEIGHT, version.clientHeight * unit * ratio),
      };
      part.x = this.clamp(this.middle.x * this.across - part.width / 2, this.across - part.width);
      part.y = this.clamp(
        this.middle.y * SMART_RESIZE_HEIGHT - part.height / 2,
        SMART_RESIZE_HEIGHT - part.height,
      );
      this.part = part;
      const size = { width: this.across, height: SMART_RESIZE_HEIGHT };
      const viewBox = `${part.x} ${part.y} ${part.width} ${part.height}`;
      this.set(version, { viewBox });
      this.set(version.querySelector('image'), { ...size, href: full, ...(source ? {} : this.box) });
      this.set(original, { viewBox });
      const lies = box || { x: 0, y: 0, width: 0, height: 0 };
      this.set(original.querySelector('image'), { ...lies, href: this.originalValue });
      [original, version].forEach((view) => this.frameSpots(view));
      this.tellScale(box, unit);
      this.drawMap(size);
    });
  }

  /* Both sides of the loupe have the version's units, so that its frames fit both. */
  frameSpots(view) {
    const marks = this.element.querySelector(`.smart-resize-marks[data-spots="${this.selected.dataset.value}"]`);
    const frames = view.querySelector('g');
    frames.innerHTML = marks && this.marked ? marks.innerHTML : '';
    if (!marks) return;
    const { height, width } = marks.viewBox.baseVal;
    this.set(frames, { transform: `scale(${this.across / width} ${SMART_RESIZE_HEIGHT / height})` });
  }

  get cropHeight() {
    return Number(this.cropValue.split(' ')[3]);
  }

  clamp(value, most) {
    return Math.max(0, Math.min(value, most));
  }

  /** Return a picture's size in pixels once it is loaded. */
  async measure(url) {
    this.sizes = this.sizes || new Map();
    if (!this.sizes.has(url)) {
      const picture = new Image();
      picture.src = url;
      this.sizes.set(
        url,
        picture.decode().then(
          () => ({ width: picture.naturalWidth, height: picture.naturalHeight }),
          () => null,
        ),
      );
    }
    return this.sizes.get(url);
  }

  tellScale(box, unit) {
    if (!box) {
      this.scaleTarget.textContent = this.missingValue;
      return;
    }
    const percent = Math.round((100 * box.width) / unit / this.widthValue);
    const text = percent === 100 ? this.atValue : percent > 100 ? this.enlargedValue : this.reducedValue;
    this.scaleTarget.textContent = text.replace('{percent}', percent);
  }

  drawMap(size) {
    const map = this.mapTarget;
    this.set(map, { viewBox: `0 0 ${this.across} ${SMART_RESIZE_HEIGHT}` });
    const href = this.source ? `${this.source}?side=800` : this.originalValue;
    this.set(map.querySelector('image'), { ...size, href, ...(this.source ? {} : this.box) });
    this.set(map.querySelector('rect'), this.part);
  }

  grab(event) {
    event.preventDefault();
    const map = this.mapTarget;
    map.focus();
    map.setPointerCapture(event.pointerId);
    const move = ({ clientX, clientY }) => {
      const { height, left, top, width } = map.getBoundingClientRect();
      this.middle = { x: (clientX - left) / width, y: (clientY - top) / height };
      this.drawLoupe();
    };
    move(event);
    map.addEventListener('pointermove', move);
    const end = () => map.removeEventListener('pointermove', move);
    map.addEventListener('pointerup', end, { once: true });
    map.addEventListener('pointercancel', end, { once: true });
  }

  nudge(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step || !this.part) return;
    event.preventDefault();
    event.stopPropagation();
    const by = 0.1;
    this.middle = {
      x: this.clamp(this.middle.x + step[0] * by * (this.part.width / this.across) * 2, 1),
      y: this.clamp(this.middle.y + step[1] * by * (this.part.height / SMART_RESIZE_HEIGHT) * 2, 1),
    };
    this.drawLoupe();
  }

  /** Show the original alone, or no more. */
  whole(isShown = this.wholeTarget.hidden) {
    this.wholeTarget.hidden = !isShown;
    this.panelTargets.forEach((panel) => {
      panel.hidden = isShown || panel.dataset.mode !== this.shown;
    });
  }

  // Deciding

  async decide(event) {
    if (event.target.method !== 'post') return;
    event.stopPropagation();
    if ('stay' in event.target.dataset) {
      await this.makeAndOpen(event);
      return;
    }
    const answer = await window.smartResize.send(event);
    if (!answer) return;
    if (this.followingValue) window.smartResize.tell('smart-resize:open', { url: this.followingValue });
    else window.smartResize.tell('smart-resize:close');
  }

  /** Have a version made of this one, which takes some seconds, and look at it. */
  async makeAndOpen(event) {
    const button = event.submitter;
    const text = button.textContent;
    button.textContent = button.dataset.busy;
    const answer = await window.smartResize.send(event);
    button.textContent = text;
    if (answer) window.smartResize.tell('smart-resize:open', { url: answer.open });
  }

  preview({ currentTarget }) {
    const { label, value } = this.selected.dataset;
    window.smartResize.tell('smart-resize:preview', { label, page: currentTarget.dataset.page, value });
    window.smartResize.tell('smart-resize:close');
  }

  // Keys

  key(event) {
    if (!this.shortcutsValue || event.altKey || event.ctrlKey || event.metaKey || event.repeat) return;
    if (!this.element.isConnected || !this.element.offsetParent) return;
    const { target } = event;
    if (target instanceof Element && target.matches('input:not([type=range]), textarea, select')) return;
    const isRange = target instanceof Element && target.matches('[type=range], [role=application]');
    const act = this.actionOf(event.key.toLowerCase(), isRange);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  actionOf(key, isRange) {
    const rtl = document.documentElement.dir === 'rtl' ? -1 : 1;
    const actions = {
      1: () => this.show('side'),
      2: () => this.versions > 0 && this.show('slider'),
      3: () => this.versions > 0 && this.show('full'),
      l: () => this.lookOn(),
      m: () => this.hasMarksTarget && this.marks(),
      o: () => this.whole(),
      u: () => this.hasUseTarget && !this.useTarget.hidden && this.useTarget.click(),
    };
    if (!isRange) {
      actions.arrowleft = () => this.step(-rtl);
      actions.arrowright = () => this.step(rtl);
    }
    return actions[key];
  }

  get versions() {
    return this.choiceTargets.length - 1;
  }

  step(by) {
    const next = this.choiceTargets[this.choiceTargets.indexOf(this.selected) + by];
    if (next) this.select(next);
  }
}

window.wagtail.app.register('smart-resize-room', SmartResizeRoomController);
