/**
 * The sheet on the desk: its notes, what of it is free, what is to be done; and all that it was.
 *
 * @typedef {{notes: import("./notes.js").Note[], free: import("./free.js").Free, action: string}} Page
 */

const DEPTH = 200; // how many steps can be undone

/** Tells of each change by the event "change". */
export class Sheet extends EventTarget {
  #past = [];
  #future = [];
  #held = null; // the page before a movement that is not at its end

  /** @param {Page} page */
  constructor(page) {
    super();
    this.page = page;
  }

  /** Change a part of the page, as one step that can be undone. */
  change(part) {
    this.hold();
    this.show(part);
    this.release();
  }

  /** From here to `release` all is one step. */
  hold() {
    this.#held ??= this.page;
  }

  /** Change a part of the page while it is held. */
  show(part) {
    this.page = { ...this.page, ...part };
    this.#tell();
  }

  release() {
    const before = this.#held;
    this.#held = null;
    if (!before || before === this.page) return;
    this.#past = [...this.#past, before].slice(-DEPTH);
    this.#future = [];
    this.#tell();
  }

  /** Leave the page as it was before `hold`. */
  drop() {
    if (this.#held) this.page = this.#held;
    this.#held = null;
    this.#tell();
  }

  undo() {
    if (!this.canUndo) return;
    this.#future.push(this.page);
    this.page = this.#past.pop();
    this.#tell();
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.page);
    this.page = this.#future.pop();
    this.#tell();
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
