/*
 * Moves the focal area of an image, and draws the crops that follow it.
 *
 * The crops are those of Wagtail's `fill`: its calculation is repeated here, for each place, while
 * the box is dragged. A test compares both.
 */
function smartResizeFill(image, slot, focal) {
  const ratio = slot.width / slot.height;
  const most = Math.min(image.width, image.height * ratio);
  let width = most;
  let height = most / ratio;
  if (focal) {
    const least = Math.max(focal.width, focal.height * ratio);
    if (least < most) {
      const closest = Math.max(
        1 - (slot.width - least) / (most - least),
        1 - (slot.height - least / ratio) / (most / ratio - least / ratio),
      );
      const closeness = Math.min(slot.closeness / 100, closest);
      if (closeness >= 0 && closeness <= 1) {
        width = most + (least - most) * closeness;
        height = width / ratio;
      }
    }
  }
  const x = focal ? focal.left + focal.width / 2 : image.width / 2;
  const y = focal ? focal.top + focal.height / 2 : image.height / 2;
  const rect = {
    left: x - (x / image.width - 0.5) * width - width / 2,
    top: y - (y / image.height - 0.5) * height - height / 2,
  };
  if (focal) {
    rect.left = Math.min(rect.left, focal.left);
    rect.top = Math.min(rect.top, focal.top);
    rect.left = Math.max(rect.left, focal.left + focal.width - width);
    rect.top = Math.max(rect.top, focal.top + focal.height - height);
  }
  rect.left = Math.min(Math.max(rect.left, 0), image.width - width);
  rect.top = Math.min(Math.max(rect.top, 0), image.height - height);
  const left = Math.floor(rect.left);
  const top = Math.floor(rect.top);
  return {
    left,
    top,
    width: Math.ceil(rect.left + width) - left,
    height: Math.ceil(rect.top + height) - top,
  };
}

class SmartResizeFocalController extends window.StimulusModule.Controller {
  static targets = [
    'begin', 'changes', 'crop', 'hint', 'original', 'panel', 'sheet', 'suggest', 'sum',
  ];

  static values = { url: String };

  get image() {
    const { height, width } = this.panelTarget.dataset;
    return { width: Number(width), height: Number(height) };
  }

  get saved() {
    const { area } = this.panelTarget.dataset;
    if (!area) return null;
    return this.read(area);
  }

  read(text) {
    const [left, top, width, height] = text.split(' ').map(Number);
    return { left, top, width, height };
  }

  /** Draw the area that is saved now: somebody may have undone a change. */
  follow({ detail: { area } }) {
    if (this.panelTarget.dataset.area === area || this.isOn) return;
    this.panelTarget.dataset.area = area;
    const { saved } = this;
    let box = this.originalTarget.querySelector('.smart-resize-focal-box');
    if (!saved) {
      box?.remove();
      return;
    }
    if (!box) {
      box = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
      box.setAttribute('class', 'smart-resize-focal-box');
      this.originalTarget.append(box);
    }
    this.place(box, saved);
  }

  place(element, area) {
    element.setAttribute('x', area.left);
    element.setAttribute('y', area.top);
    element.setAttribute('width', area.width);
    element.setAttribute('height', area.height);
  }

  /** Begin with the area that faces suggest: it is saved as any other, or not. */
  async suggest() {
    this.suggestTarget.disabled = true;
    const response = await window.smartResize.get(this.suggestTarget.dataset.url).catch(() => null);
    const answer = await response?.json().catch(() => ({}));
    this.suggestTarget.disabled = false;
    if (!response?.ok) {
      window.smartResize.warn(answer?.text || `HTTP ${response?.status ?? 0}`);
      return;
    }
    this.begin();
    this.area = this.read(answer.area);
    this.draw();
  }

  begin() {
    this.isOn = true;
    const { image } = this;
    const side = Math.min(image.width, image.height) / 3;
    this.area = this.saved || {
      left: (image.width - side) / 2,
      top: (image.height - side) / 2,
      width: side,
      height: side,
    };
    this.toggle(true);
    this.originalTarget.querySelector('.smart-resize-focal-box')?.remove();
    this.makeBoxes();
    this.draw();
    this.box.focus();
  }

  cancel() {
    this.end();
  }

  end() {
    this.isOn = false;
    this.toggle(false);
    this.holder?.remove();
    const { area } = this.panelTarget.dataset;
    this.panelTarget.dataset.area = '';
    this.follow({ detail: { area: area || '' } });
    this.beginTarget.focus();
  }

  toggle(isOn) {
    this.element.classList.toggle('smart-resize--focal', isOn);
    this.panelTarget.hidden = !isOn;
    this.sheetTarget.hidden = isOn;
    this.beginTarget.hidden = isOn;
    if (this.hasSuggestTarget) this.suggestTarget.hidden = isOn;
  }

  makeBoxes() {
    const svg = (name, classes) => {
      const element = document.createElementNS('http://www.w3.org/2000/svg', name);
      element.setAttribute('class', classes);
      return element;
    };
    this.holder?.remove();
    this.holder = svg('g', 'smart-resize-focal-move');
    this.before = svg('rect', 'smart-resize-focal-before');
    this.box = svg('rect', 'smart-resize-focal-box');
    this.box.setAttribute('tabindex', '0');
    this.box.setAttribute('role', 'application');
    this.box.setAttribute('aria-label', this.beginTarget.textContent.trim());
    this.handles = ['nw', 'ne', 'sw', 'se'].map((corner) => {
      const handle = svg('circle', `smart-resize-focal-handle smart-resize-focal-handle--${corner}`);
      handle.dataset.corner = corner;
      return handle;
    });
    this.holder.append(this.before, this.box, ...this.handles);
    this.originalTarget.append(this.holder);
    this.box.addEventListener('pointerdown', (event) => this.drag(event, 'move'));
    this.handles.forEach((handle) => {
      handle.addEventListener('pointerdown', (event) => this.drag(event, handle.dataset.corner));
    });
    this.box.addEventListener('keydown', (event) => this.key(event));
    this.box.addEventListener('keyup', (event) => this.key(event));
  }

  /* Pixels of the image for one of the screen. */
  get unit() {
    return this.image.width / this.originalTarget.getBoundingClientRect().width;
  }

  drag(event, how) {
    event.preventDefault();
    this.box.focus();
    const { pointerId, target } = event;
    target.setPointerCapture(pointerId);
    const from = { ...this.area };
    const begin = { x: event.clientX, y: event.clientY };
    const move = ({ clientX, clientY }) => {
      const x = (clientX - begin.x) * this.unit;
      const y = (clientY - begin.y) * this.unit;
      if (how === 'move') this.move(from.left + x, from.top + y, from.width, from.height);
      else this.resize(from, how, x, y);
    };
    target.addEventListener('pointermove', move);
    const end = () => target.removeEventListener('pointermove', move);
    target.addEventListener('pointerup', end, { once: true });
    target.addEventListener('pointercancel', end, { once: true });
  }

  move(left, top, width, height) {
    const { image } = this;
    this.area = {
      left: Math.min(Math.max(left, 0), image.width - width),
      top: Math.min(Math.max(top, 0), image.height - height),
      width,
      height,
    };
    this.draw();
  }

  resize(from, corner, x, y) {
    const { image } = this;
    const least = Math.max(8, image.width / 50);
    let { left, top } = from;
    let right = from.left + from.width;
    let bottom = from.top + from.height;
    if (corner.includes('w')) left = Math.min(Math.max(left + x, 0), right - least);
    if (corner.includes('e')) right = Math.max(Math.min(right + x, image.width), left + least);
    if (corner.includes('n')) top = Math.min(Math.max(top + y, 0), bottom - least);
    if (corner.includes('s')) bottom = Math.max(Math.min(bottom + y, image.height), top + least);
    this.area = { left, top, width: right - left, height: bottom - top };
    this.draw();
  }

  key(event) {
    if (event.key.toLowerCase() === 'b') {
      this.isBefore = event.type === 'keydown';
      this.draw();
      return;
    }
    if (event.type !== 'keydown') return;
    if (event.key === 'Escape') {
      this.end();
      return;
    }
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const by = Math.max(1, Math.round(this.image.width / 100));
    const [x, y] = step.map((each) => each * by);
    const { height, left, top, width } = this.area;
    if (event.shiftKey) this.resize(this.area, 'se', x, y);
    else this.move(left + x, top + y, width, height);
  }

  draw() {
    const { image, saved } = this;
    this.place(this.box, this.area);
    this.before.toggleAttribute('hidden', !saved);
    if (saved) this.place(this.before, saved);
    const { height, left, top, width } = this.area;
    this.handles.forEach((handle) => {
      const { corner } = handle.dataset;
      handle.setAttribute('cx', corner.includes('w') ? left : left + width);
      handle.setAttribute('cy', corner.includes('n') ? top : top + height);
      handle.setAttribute('r', 6 * this.unit);
    });
    const area = this.isBefore ? saved : this.area;
    const told = this.cropTargets.map((tile) => this.drawCrop(tile, image, area, saved));
    const { sumTarget, changesTarget, panelTarget } = this;
    const whole = told.filter((each) => each.isWhole).length;
    sumTarget.textContent = sumTarget.dataset.text
      .replace('{count}', whole)
      .replace('{all}', told.length);
    const changed = told.filter((each) => each.isChanged).length;
    changesTarget.textContent = panelTarget.dataset.changes.replace('{count}', changed);
  }

  drawCrop(tile, image, area, saved) {
    const slot = {
      width: Number(tile.dataset.width),
      height: Number(tile.dataset.height),
      closeness: Number(tile.dataset.closeness),
    };
    const crop = smartResizeFill(image, slot, area);
    const before = smartResizeFill(image, slot, saved);
    const viewBox = `${crop.left} ${crop.top} ${crop.width} ${crop.height}`;
    tile.querySelector('svg')?.setAttribute('viewBox', viewBox);
    const isWhole =
      !area ||
      (area.left >= crop.left - 1 &&
        area.top >= crop.top - 1 &&
        area.left + area.width <= crop.left + crop.width + 1 &&
        area.top + area.height <= crop.top + crop.height + 1);
    const { cut, loses, whole } = this.panelTarget.dataset;
    const lost = 1 - (crop.width * crop.height) / (image.width * image.height);
    const percent = Math.max(0, Math.ceil(Math.round(lost * 1e6) / 1e4));
    tile.querySelector('[data-part=loss]').textContent = loses.replace('{percent}', percent);
    const said = tile.querySelector('[data-part=whole]');
    if (said) {
      said.textContent = isWhole ? `✓ ${whole}` : cut;
      said.classList.toggle('smart-resize-is-cut', !isWhole);
    }
    const isChanged = Object.keys(crop).some((name) => crop[name] !== before[name]);
    return { isChanged, isWhole };
  }

  async save() {
    const fields = new FormData();
    const left = Math.round(this.area.left);
    const top = Math.round(this.area.top);
    const width = Math.min(Math.round(this.area.width), this.image.width - left);
    const height = Math.min(Math.round(this.area.height), this.image.height - top);
    Object.entries({ left, top, width, height }).forEach(([name, value]) => fields.set(name, value));
    const answer = await window.smartResize.act(this.urlValue, fields);
    if (!answer) return;
    this.end();
    this.follow({ detail: { area: `${left} ${top} ${width} ${height}` } });
  }
}

window.wagtail.app.register('smart-resize-focal', SmartResizeFocalController);
