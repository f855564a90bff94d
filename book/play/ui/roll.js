/**
 * The roll on the page: a keyboard, bars and beats, and the cells, in a frame that scrolls.
 */

import { drawKeys, drawRoll, drawRuler, palette, prepare } from "./drawing.js";
import { freeCells } from "./free.js";
import { COLUMNS, ROWS, clamp } from "./grid.js";
import { el } from "./html.js";

const KEYS = 46; // pixels: the keyboard's width
const RULER = 26; // pixels: its height
const FINGER = { width: 20, height: 15 }; // pixels: the least that a finger can point at
const MOUSE = { width: 8, height: 8 };
const LEAST = 300; // pixels of the cells that are seen on the lowest screen
const ZOOMS = [1, 1.5, 2.25];

export class RollView {
  cursor = { row: 34, column: 0 }; // G4
  x_t = null; // what emerges
  band = null; // the rectangle that is being painted
  #colours = palette();
  #zoom = 0;
  #asked = false;
  #head = 0; // where the music is, in columns
  #pressed = null; // a key
  #pointed = false; // whether the cursor was ever used
  #top = null; // a row to scroll to, once it is drawn

  /**
   * @param {import("./sheet.js").Sheet} sheet
   * @param {{highest: number, others: number}} room pixels that its cells take at most, and pixels
   *     of the screen that are not theirs
   */
  constructor(sheet, { highest, others }) {
    this.sheet = sheet;
    this.room = { highest, others };
    this.corner = el("div", { class: "play-corner" });
    this.ruler = el("canvas", { class: "play-ruler", "aria-hidden": "true" });
    this.keys = el("canvas", { class: "play-keys", "aria-hidden": "true" });
    this.cells = el("canvas", {
      class: "play-cells",
      tabindex: "0",
      role: "application",
      "aria-label": "Piano roll. Arrow keys move, Enter adds or removes a note, H shows all keys.",
    });
    this.head = el("div", { class: "play-head" });
    const sheetOfCells = el("div", { class: "play-sheet" }, this.cells, this.head);
    this.element = el(
      "div",
      { class: "play-roll" },
      this.corner,
      this.ruler,
      this.keys,
      sheetOfCells,
    );
    sheet.addEventListener("change", () => this.draw());
    this.cells.addEventListener("focus", () => this.draw());
    this.cells.addEventListener("blur", () => this.draw());
    const look = () => {
      this.#colours = palette();
      this.draw();
    };
    new MutationObserver(look).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
    new ResizeObserver(() => this.#measure()).observe(this.element);
    window.addEventListener("resize", () => this.#measure());
    document.fonts?.ready.then(look);
  }

  get colours() {
    return this.#colours;
  }

  get canZoom() {
    return { in: this.#zoom < ZOOMS.length - 1, out: this.#zoom > 0 };
  }

  /** Make cells larger (1) or smaller (-1). */
  zoom(by) {
    const middle = (this.element.scrollLeft + this.element.clientWidth / 2) / this.width;
    const centre = (this.element.scrollTop + this.element.clientHeight / 2) / this.height;
    this.#zoom = clamp(this.#zoom + by, 0, ZOOMS.length - 1);
    this.#measure();
    this.element.scrollLeft = middle * this.width - this.element.clientWidth / 2;
    this.element.scrollTop = centre * this.height - this.element.clientHeight / 2;
  }

  #measure() {
    const least = matchMedia("(pointer: coarse)").matches ? FINGER : MOUSE;
    const wide = this.element.clientWidth - KEYS;
    if (wide <= 0) return;
    const zoom = ZOOMS[this.#zoom];
    const room = clamp(window.innerHeight - this.room.others, LEAST, this.room.highest);
    const row = Math.max(least.height, Math.floor(room / ROWS));
    this.width = zoom * Math.max(least.width, wide / COLUMNS);
    this.height = Math.round(zoom * row);
    const seen = least === FINGER ? window.innerHeight / 2 : room;
    this.element.style.height = `${RULER + Math.min(seen, ROWS * row)}px`;
    this.draw();
  }

  /** Draw when the browser next does. */
  draw() {
    if (this.#asked || !this.width) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
    });
  }

  #draw() {
    const { width, height } = this;
    const { notes, free } = this.sheet.page;
    const colours = this.#colours;
    const context = prepare(this.cells, COLUMNS * width, ROWS * height);
    drawRoll(context, {
      width,
      height,
      colours,
      notes,
      free: freeCells(free, notes),
      x_t: this.x_t,
    });
    const outline = (row, column, rows, columns, colour, thick) => {
      context.strokeStyle = colour;
      context.lineWidth = thick;
      const y = (ROWS - row - rows) * height;
      context.strokeRect(column * width, y, columns * width, rows * height);
    };
    if (this.band) {
      const { row, column, rows, columns } = this.band;
      outline(row, column, rows, columns, colours.made, 2);
    }
    const { row, column } = this.cursor;
    const focused = document.activeElement === this.cells;
    const colour = focused ? colours.ink : colours.line;
    if (focused || this.#pointed) outline(row, column, 1, 1, colour, focused ? 2 : 1);
    drawKeys(prepare(this.keys, KEYS, ROWS * height), {
      wide: KEYS,
      height,
      colours,
      pressed: this.#pressed,
    });
    this.#placeHead();
    drawRuler(prepare(this.ruler, COLUMNS * width, RULER), { width, high: RULER, colours });
    if (this.#top === null) return;
    this.element.scrollTop = (ROWS - this.#top - 4) * height;
    this.element.scrollLeft = 0;
    this.#top = null;
  }

  /** The cell under a pointer, with the place in it as a fraction of columns. */
  cellAt(event) {
    const box = this.cells.getBoundingClientRect();
    const x = clamp((event.clientX - box.left) / this.width, 0, COLUMNS - 1e-6);
    const y = clamp((event.clientY - box.top) / this.height, 0, ROWS - 1e-6);
    return { x, column: Math.floor(x), row: ROWS - 1 - Math.floor(y) };
  }

  /** The column under a pointer on the ruler. */
  columnAt(event) {
    const box = this.ruler.getBoundingClientRect();
    return clamp(Math.floor((event.clientX - box.left) / this.width), 0, COLUMNS - 1);
  }

  /** The row of a key under a pointer. */
  keyAt(event) {
    const box = this.keys.getBoundingClientRect();
    return ROWS - 1 - clamp(Math.floor((event.clientY - box.top) / this.height), 0, ROWS - 1);
  }

  /** Show a key as pressed, or none. */
  press(row) {
    this.#pressed = row;
    this.draw();
  }

  moveCursor(row, column) {
    this.#pointed = true;
    this.cursor = { row: clamp(row, 0, ROWS - 1), column: clamp(column, 0, COLUMNS - 1) };
    this.draw();
  }

  /** Scroll as little as shows a cell. */
  reveal({ row, column }) {
    const { element, width, height } = this;
    const into = (start, size, view, place) =>
      start < place ? start : start + size > place + view ? start + size - view : place;
    const [wide, high] = [element.clientWidth - KEYS, element.clientHeight - RULER];
    element.scrollLeft = into(column * width, width, wide, element.scrollLeft);
    element.scrollTop = into((ROWS - 1 - row) * height, height, high, element.scrollTop);
  }

  /** Scroll to the beginning, with the highest of some notes near the top. */
  showTop(notes) {
    if (notes.length) this.#top = Math.max(...notes.map(({ row }) => row));
    this.draw();
  }

  #placeHead() {
    this.head.style.transform = `translateX(${this.#head * this.width}px)`;
  }

  /** Show where the music is, in columns. */
  showHead(column, follow) {
    this.#head = column;
    this.#placeHead();
    if (!follow) return;
    const { element, width } = this;
    const wide = element.clientWidth - KEYS;
    const x = column * width - element.scrollLeft;
    if (x < 0 || x > wide - width) element.scrollLeft = column * width;
  }
}
