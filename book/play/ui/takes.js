/**
 * The strip of takes: what was written, to return to and to compare.
 */

import { drawRoll, palette, prepare } from "./drawing.js";
import { COLUMNS, ROWS } from "./grid.js";
import { button, el } from "./html.js";

const [WIDTH, HEIGHT] = [2, 1.25]; // pixels of a cell
const MOST = 24; // takes that are kept

export class Takes {
  #takes = []; // {page, item, canvas}
  #count = 0;
  #current = null; // the notes on the sheet

  /** @param {(page: import("./sheet.js").Page) => void} onPick */
  constructor(onPick) {
    this.onPick = onPick;
    this.list = el("ol", { class: "play-takes", "aria-label": "Takes" });
    this.nothing = el("p", { class: "play-quiet" }, "What is written is kept here, to compare.");
    this.element = el("div", { class: "play-strip" }, this.nothing, this.list);
    const redraw = () => this.#takes.forEach((take) => this.#draw(take));
    new MutationObserver(redraw).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
  }

  /** Whether one of the takes has these notes. */
  has(notes) {
    return this.#takes.some(({ page }) => page.notes === notes);
  }

  /** Keep a page under a name; the newest comes first. */
  add(page, name) {
    const take = { page, canvas: el("canvas", { "aria-hidden": "true" }) };
    const title = name ?? `Take ${++this.#count}`;
    take.pick = button("", () => this.onPick(take.page), { class: "play-take" });
    take.pick.append(take.canvas, el("span", {}, title));
    const remove = button("×", () => this.#remove(take), {
      class: "play-take-off",
      "aria-label": `Delete ${title}`,
      title: "Delete",
    });
    take.item = el("li", {}, take.pick, remove);
    this.#takes.unshift(take);
    this.list.prepend(take.item);
    this.#draw(take);
    this.#takes.slice(MOST).forEach((old) => this.#remove(old));
    this.#mark();
    this.list.scrollLeft = 0;
  }

  /** Mark the take that is on the sheet. */
  mark(notes) {
    this.#current = notes;
    this.#mark();
  }

  #mark() {
    for (const { page, pick } of this.#takes) {
      pick.setAttribute("aria-pressed", String(page.notes === this.#current));
    }
    this.nothing.hidden = this.#takes.length > 0;
  }

  #remove(take) {
    take.item.remove();
    this.#takes = this.#takes.filter((other) => other !== take);
    this.#mark();
  }

  #draw({ page, canvas }) {
    const context = prepare(canvas, COLUMNS * WIDTH, ROWS * HEIGHT);
    const look = { width: WIDTH, height: HEIGHT, colours: palette(), notes: page.notes };
    drawRoll(context, { ...look, free: new Uint8Array(ROWS * COLUMNS) });
  }
}
