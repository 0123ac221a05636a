/*
 * The review of versions, one place at a time.
 *
 * Keys and buttons sleep until the versions of the entry are drawn. The next entries are loaded
 * beforehand. Single keys act only if the user's account allows keyboard shortcuts:
 * https://www.w3.org/WAI/WCAG22/Understanding/character-key-shortcuts.html
 */
class SmartResizeReviewController extends window.StimulusModule.Controller {
  static targets = [
    'again', 'approve', 'closely', 'decline', 'empty', 'entry', 'marks', 'one', 'other', 'picture', 'place',
    'select', 'selected', 'some', 'strip', 'why',
  ];

  static values = {
    shortcuts: { type: Boolean, default: true },
    approve: String,
    place: String,
    selected: String,
    total: String,
  };

  initialize() {
    /* What has been drawn on this screen, and what is selected, by ids of versions. */
    this.seen = new Set();
    this.chosen = new Map();
    this.loaded = new Map();
    this.dropped = new Map();
    this.marked = true;
  }

  connect() {
    if (!this.hasStripTarget) return;
    this.at(this.oneTargets[0]);
    this.ready();
  }

  // Where we are

  get current() {
    return this.oneTargets.find((one) => one.hasAttribute('aria-current'));
  }

  at(one) {
    this.oneTargets.forEach((each) => each.toggleAttribute('aria-current', each === one));
    one.setAttribute('aria-current', 'true');
    one.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    this.tell();
  }

  tell() {
    const number = this.oneTargets.indexOf(this.current) + 1;
    this.placeTarget.textContent = this.placeValue
      .replace('{number}', number)
      .replace('{total}', this.totalValue);
    const count = this.chosen.size;
    this.selectedTarget.textContent = count
      ? ` · ${this.selectedValue.replace('{count}', count)}`
      : '';
    this.someTarget.disabled = count === 0;
    this.oneTargets.forEach((one) => {
      one.classList.toggle('smart-resize-strip__one--picked', this.chosen.has(one.dataset.key));
    });
  }

  go({ currentTarget }) {
    this.show(currentTarget);
  }

  move(by) {
    const next = this.oneTargets[this.oneTargets.indexOf(this.current) + by];
    if (next) this.show(next);
  }

  async show(one) {
    this.at(one);
    this.sleep();
    const html = await this.load(one);
    if (this.current !== one) return;
    if (html === null) {
      this.drop(one);
      return;
    }
    this.entryTarget.innerHTML = html;
    this.ready();
  }

  /** Return an entry's HTML, fetched once; null if it is there no more. */
  load(one) {
    const { key, url } = one.dataset;
    if (!this.loaded.has(key)) {
      this.loaded.set(
        key,
        window.smartResize
          .get(url)
          .then((response) => (response.ok && !response.redirected ? response.text() : null))
          .catch(() => {
            this.loaded.delete(key);
            return null;
          }),
      );
    }
    return this.loaded.get(key);
  }

  /* Let the entry be decided once its versions are drawn, and load the next ones. */
  async ready() {
    const { key } = this.current.dataset;
    this.pick({ currentTarget: this.entryTarget.querySelector('[aria-pressed=true]') });
    this.tellSelected();
    const pictures = this.pictureTargets.filter((picture) => !picture.closest('[hidden]'));
    const drawn = await Promise.all(
      pictures.map((picture) =>
        picture.decode().then(
          () => true,
          () => false,
        ),
      ),
    );
    if (this.current?.dataset.key !== key) return;
    if (!document.hidden) {
      pictures.forEach((picture, index) => {
        if (drawn[index]) this.seen.add(picture.closest('[data-version]').dataset.version);
      });
    }
    this.wake();
    this.loadNext();
  }

  /* Whether the entry that is on the screen is the current one: another may be loading. */
  get isShown() {
    const shown = this.entryTarget.querySelector('[data-key]')?.dataset.key;
    return Boolean(this.current) && shown === this.current.dataset.key;
  }

  sleep() {
    this.hideWhy();
    this.approveTarget.disabled = true;
    this.declineTarget.disabled = true;
  }

  wake() {
    if (!this.isShown) return;
    const version = this.picked?.dataset.version;
    this.approveTarget.disabled = !this.seen.has(version);
    this.declineTarget.disabled = !this.seen.has(version);
  }

  loadNext() {
    const index = this.oneTargets.indexOf(this.current);
    this.oneTargets.slice(index + 1, index + 3).forEach(async (one) => {
      const html = await this.load(one);
      if (!html) return;
      const holder = document.createElement('template');
      holder.innerHTML = html;
      holder.content.querySelectorAll('[data-version]:not([hidden]) img').forEach(({ src }) => {
        new Image().src = src;
      });
    });
  }

  /** Forget an entry that needs no decision any more, and go on to the next. */
  drop(one) {
    const index = this.oneTargets.indexOf(one);
    const wasCurrent = one === this.current;
    this.chosen.delete(one.dataset.key);
    this.loaded.delete(one.dataset.key);
    const item = one.closest('li');
    this.dropped.set(one.dataset.key, item);
    item.remove();
    const left = this.oneTargets;
    this.toggleEmpty(!left.length);
    if (!left.length) return;
    if (wasCurrent) this.show(left[Math.min(index, left.length - 1)]);
    else this.tell();
  }

  toggleEmpty(isEmpty) {
    this.emptyTarget.hidden = !isEmpty;
    this.entryTarget.hidden = isEmpty;
  }

  /** Bring back what was undone, and show it. */
  undone({ detail: { rows } }) {
    const items = rows.map((row) => this.dropped.get(String(row))).filter(Boolean);
    if (!items.length) return;
    this.stripTarget.prepend(...items);
    this.toggleEmpty(false);
    this.show(items[0].querySelector('button'));
  }

  filter({ target }) {
    target.form.submit();
  }

  // Versions

  get picked() {
    return this.entryTarget.querySelector('.smart-resize-version--picked');
  }

  pick({ currentTarget }) {
    const figure = currentTarget?.closest('[data-version]');
    if (!figure) return;
    this.entryTarget.querySelectorAll('[data-version]').forEach((each) => {
      const isPicked = each === figure;
      each.classList.toggle('smart-resize-version--picked', isPicked);
      each.querySelector('button').setAttribute('aria-pressed', String(isPicked));
    });
    this.approveTarget.value = figure.dataset.version;
    const text = this.approveTarget.querySelector('[data-text]');
    text.textContent = text.dataset.text.replace('{version}', figure.dataset.label);
    if (this.hasAgainTarget) this.againTarget.href = figure.dataset.refine;
    this.drawMarks();
    this.wake();
  }

  /* What differs is framed: on each version its own, on the original that of the picked one. */
  drawMarks() {
    if (!this.hasMarksTarget) return;
    this.marksTarget.setAttribute('aria-pressed', String(this.marked));
    const picked = this.picked?.dataset.version;
    this.entryTarget.querySelectorAll('[data-spots]').forEach((spots) => {
      const ours = spots.closest('[data-version]') || spots.dataset.spots === picked;
      spots.toggleAttribute('hidden', !this.marked || !ours);
    });
  }

  marks() {
    this.marked = !this.marked;
    this.drawMarks();
  }

  /* Versions beyond those in the row take the place of the last one when they are picked. */
  pickNumber(number) {
    const figures = [...this.entryTarget.querySelectorAll('[data-version]')];
    const figure = figures[number - 1];
    if (!figure) return;
    if (figure.hidden) {
      const shown = figures.filter((each) => !each.hidden);
      shown[shown.length - 1].hidden = true;
      figure.hidden = false;
      figure
        .querySelector('img')
        .decode()
        .then(() => {
          this.seen.add(figure.dataset.version);
          this.wake();
        }, () => {});
    }
    this.pick({ currentTarget: figure });
  }

  // Selection

  select() {
    if (!this.isShown) return;
    const { key } = this.current.dataset;
    const { version } = this.picked.dataset;
    if (!this.seen.has(version)) return;
    if (this.chosen.get(key) === version) this.chosen.delete(key);
    else this.chosen.set(key, version);
    this.tellSelected();
    this.tell();
  }

  tellSelected() {
    const version = this.chosen.get(this.current.dataset.key);
    this.selectTarget.setAttribute('aria-pressed', String(Boolean(version)));
    this.entryTarget.querySelectorAll('[data-version]').forEach((figure) => {
      figure.querySelector('.smart-resize-version__tick').hidden = figure.dataset.version !== version;
    });
  }

  approveSome() {
    this.ask([...this.chosen.values()]);
  }

  approveAll() {
    const versions = this.oneTargets.map(({ dataset }) => {
      const [first] = dataset.versions.trim().split(' ');
      return this.chosen.get(dataset.key) || first;
    });
    this.ask(versions);
  }

  async ask(versions) {
    const fields = new FormData();
    versions.forEach((version) => fields.append('candidates', version));
    this.seen.forEach((version) => fields.append('seen', version));
    const response = await window.smartResize.post(this.approveValue, fields).catch(() => null);
    if (!response?.ok) {
      const answer = await response?.json().catch(() => ({}));
      window.smartResize.warn(answer?.text || `HTTP ${response?.status ?? 0}`);
      return;
    }
    window.smartResize.tell('smart-resize:show', { html: await response.text() });
  }

  // Deciding

  async send(event) {
    const { submitter, target } = event;
    if (target.method !== 'post') return;
    const reason = target.querySelector('[name=reason]');
    if (submitter?.name === 'decline') reason.value = submitter.dataset.reason || this.otherTarget.value;
    this.hideWhy();
    if (!this.isShown) {
      event.preventDefault();
      return;
    }
    const one = this.current;
    const answer = await window.smartResize.send(event);
    if (answer) this.drop(one);
    else this.wake();
  }

  why() {
    if (this.whyTarget.hidden) {
      this.whyTarget.hidden = false;
      this.declineTarget.setAttribute('aria-expanded', 'true');
      this.whyTarget.querySelector('button').focus();
    } else this.hideWhy();
  }

  hideWhy() {
    if (this.whyTarget.hidden) return;
    this.whyTarget.hidden = true;
    this.declineTarget.setAttribute('aria-expanded', 'false');
    this.declineTarget.focus();
  }

  /** Go on after several were approved together. */
  approved({ detail: { versions } }) {
    const gone = this.oneTargets.filter(({ dataset }) =>
      dataset.versions.trim().split(' ').some((version) => versions.includes(version)),
    );
    const current = gone.includes(this.current) ? this.current : null;
    gone.filter((one) => one !== current).forEach((one) => this.drop(one));
    if (current) this.drop(current);
  }

  /* Something was decided or undone: what is undone has to be decided again. */
  changed() {
    this.loaded.clear();
  }

  // Keys

  key(event) {
    if (!this.shortcutsValue || !this.hasStripTarget || this.isTaken(event)) return;
    const key = event.key.toLowerCase();
    const act = this.whyTarget.hidden ? this.actionOf(key) : this.whyOf(key, event.target);
    if (!act) return;
    event.preventDefault();
    act();
  }

  isTaken(event) {
    if (event.defaultPrevented || event.repeat) return true;
    if (event.altKey || event.ctrlKey || event.metaKey) return true;
    const { target } = event;
    if (!(target instanceof Element)) return false;
    if (target.closest('[role=dialog], .w-dialog')) return true;
    const typing = 'input:not([type=checkbox]), textarea, select, [contenteditable]';
    return target.matches(typing) && event.key !== 'Enter' && event.key !== 'Escape';
  }

  actionOf(key) {
    if (key === 'j') return () => this.move(1);
    if (key === 'k') return () => this.move(-1);
    return this.isShown ? this.entryActionOf(key) : undefined;
  }

  entryActionOf(key) {
    const click = (has, target) => () => has && !target.disabled && target.click();
    const actions = {
      a: click(this.hasApproveTarget, this.approveTarget),
      d: () => !this.declineTarget.disabled && this.why(),
      r: click(this.hasAgainTarget, this.hasAgainTarget ? this.againTarget : {}),
      c: click(this.hasCloselyTarget, this.closelyTarget),
      x: () => this.select(),
      m: () => this.hasMarksTarget && this.marks(),
    };
    return /^[1-9]$/.test(key) ? () => this.pickNumber(Number(key)) : actions[key];
  }

  whyOf(key, target) {
    if (key === 'escape') return () => this.hideWhy();
    const press = (selector) => () => this.whyTarget.querySelector(selector).click();
    if (key === 'enter') {
      return target.closest('button') ? null : press('[data-reason=""]');
    }
    return this.whyTarget.querySelector(`[data-letter="${key}"]`)
      ? press(`[data-letter="${key}"]`)
      : null;
  }
}

window.wagtail.app.register('smart-resize-review', SmartResizeReviewController);

/* Asks once more before several versions are published. */
class SmartResizeApproveController extends window.StimulusModule.Controller {
  async send(event) {
    event.stopPropagation();
    const answer = await window.smartResize.send(event);
    if (!answer) return;
    window.smartResize.tell('smart-resize:close');
    const versions = [...this.element.querySelectorAll('[name=candidates]')].map(({ value }) => value);
    window.smartResize.tell('smart-resize:approved', { versions });
  }

  cancel() {
    window.smartResize.tell('smart-resize:close');
  }
}

window.wagtail.app.register('smart-resize-approve', SmartResizeApproveController);
