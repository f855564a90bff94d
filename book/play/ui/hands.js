/**
 * What mouse, fingers and keys do on the roll.
 */

import { freeCells, painted } from "./free.js";
import { BEAT, COLUMNS, LOW, beats, clamp, noteName, placeName } from "./grid.js";
import { drawn, moved, noteAt, placed, stretched, without } from "./notes.js";

const EDGE = 0.35; // of a column: so near its end a note is taken by the end
const OCTAVE = 12;

export class Hands {
  tool = "draw";
  length = BEAT; // columns of a new note
  locked = false; // while the model writes
  #pointers = new Map(); // where each finger is
  #drag = null; // {move, end}
  #corner = null; // where a rectangle begins that is painted by keys

  /**
   * @param {import("./roll.js").RollView} view
   * @param {import("./sheet.js").Sheet} sheet
   * @param {object} told
   * @param {(row: number) => void} told.onSound a pitch that wants to be heard
   * @param {(text: string) => void} told.onSay what happened, in words
   * @param {(column: number) => void} told.onPlace where to play from
   * @param {(key: string) => boolean} told.onKey any other key; whether it means something
   */
  constructor(view, sheet, told) {
    Object.assign(this, { view, sheet, ...told });
    const { cells, keys, ruler } = view;
    cells.addEventListener("pointerdown", (event) => this.#down(event));
    cells.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      cells.addEventListener(name, (event) => this.#up(event, name === "pointercancel"));
    }
    cells.addEventListener("contextmenu", (event) => event.preventDefault());
    cells.addEventListener("keydown", (event) => this.#key(event));
    const press = (event) => {
      const row = view.keyAt(event);
      if (row === this.#held) return;
      this.#held = row;
      view.press(row);
      this.onSound(row);
      this.onSay(noteName(row + LOW));
    };
    keys.addEventListener("pointerdown", press);
    keys.addEventListener("pointermove", (event) => event.buttons && press(event));
    for (const name of ["pointerup", "pointerleave", "pointercancel"]) {
      keys.addEventListener(name, () => {
        this.#held = null;
        view.press(null);
      });
    }
    ruler.addEventListener("click", (event) => this.onPlace(view.columnAt(event)));
  }

  #held = null; // a key

  // --- mouse and fingers -------------------------------------------------------------------------

  #down(event) {
    this.#pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.#pointers.size > 1) return this.#cancel(); // two fingers scroll
    if (this.locked) return;
    this.view.cells.setPointerCapture(event.pointerId);
    const cell = this.view.cellAt(event);
    this.view.moveCursor(cell.row, cell.column);
    this.sheet.hold();
    const erases = event.button === 2 || this.tool === "erase";
    this.#drag = erases ? this.#erase() : this.#tools[this.tool](cell, event.pointerType);
    this.#drag.move(cell);
  }

  #move(event) {
    const finger = this.#pointers.get(event.pointerId);
    if (finger && this.#pointers.size > 1) {
      const count = this.#pointers.size;
      const [x, y] = [event.clientX - finger[0], event.clientY - finger[1]];
      this.view.element.scrollBy(-x / count, -y / count);
      this.#pointers.set(event.pointerId, [event.clientX, event.clientY]);
      return;
    }
    const cell = this.view.cellAt(event);
    if (this.#drag) return this.#drag.move(cell);
    this.view.cells.style.cursor = this.#pointerOver(cell);
  }

  #up(event, cancelled) {
    this.#pointers.delete(event.pointerId);
    if (cancelled) return this.#cancel();
    if (!this.#drag) return;
    this.#drag.end?.();
    this.#drag = null;
    this.view.band = null;
    this.sheet.release();
  }

  #cancel() {
    if (!this.#drag) return;
    this.#drag = null;
    this.view.band = null;
    this.sheet.drop();
  }

  #pointerOver({ row, x }) {
    if (this.tool !== "draw") return this.tool === "erase" ? "not-allowed" : "crosshair";
    const grip = this.#grip(row, x, "mouse");
    return { end: "ew-resize", start: "ew-resize", body: "grab", none: "cell" }[grip.part];
  }

  /** What of a note lies under a pointer: a finger is less exact than a mouse. */
  #grip(row, x, pointer) {
    const note = noteAt(this.sheet.page.notes, row, Math.floor(x));
    if (!note) return { part: "none" };
    const edge = Math.min(pointer === "mouse" ? EDGE : 2 * EDGE, (note.end - note.start) / 3);
    if (note.end - x < edge) return { part: "end", note };
    return { part: x - note.start < edge ? "start" : "body", note };
  }

  #tools = {
    draw: (cell, pointer) => {
      const grip = this.#grip(cell.row, cell.x, pointer);
      return grip.note ? this.#take(grip, cell) : this.#put(cell);
    },
    free: (cell) => this.#rectangle(cell, 1),
    keep: (cell) => this.#rectangle(cell, 0),
    from: () => ({
      move: ({ column }) => this.sheet.show({ free: { kind: "from", start: column } }),
      end: () => this.#sayFree(),
    }),
    between: ({ column: first }) => ({
      move: ({ column }) => {
        const [start, last] = [Math.min(first, column), Math.max(first, column)];
        this.sheet.show({ free: { kind: "between", start, end: last + 1 } });
      },
      end: () => this.#sayFree(),
    }),
  };

  /** A new note, as long as the last, or as far as the pointer is drawn. */
  #put({ row, column: start }) {
    const { notes } = this.sheet.page;
    const end = Math.min(start + this.length, COLUMNS);
    const first = this.#firstNote();
    let note = drawn(row, start, end);
    let pulled = false;
    this.onSound(row);
    return {
      move: ({ column }) => {
        pulled ||= column !== start;
        note = pulled ? stretched(note, { end: column + 1 }) : note;
        this.sheet.show({ notes: placed(notes, note), ...first });
      },
      end: () => {
        if (pulled) this.length = note.end - note.start;
        this.onSay(`${this.#describe(note)}, added`);
      },
    };
  }

  /** Who draws on an empty page wants the tune to stay. */
  #firstNote() {
    const { notes, action } = this.sheet.page;
    if (notes.length || action !== "write") return {};
    return { action: "harmonize", free: { kind: "below" } };
  }

  /** A note that is there already: moved, or pulled by an end. */
  #take({ part, note }, { row, column }) {
    const others = without(this.sheet.page.notes, note);
    let now = note;
    this.onSound(note.row);
    return {
      move: (cell) => {
        const [rows, columns] = [cell.row - row, cell.column - column];
        const next = {
          start: () => stretched(note, { start: note.start + columns }),
          end: () => stretched(note, { end: note.end + columns }),
          body: () => moved(note, rows, columns),
        }[part]();
        if (next.row === now.row && next.start === now.start && next.end === now.end) return;
        if (next.row !== now.row) this.onSound(next.row);
        now = next;
        this.sheet.show({ notes: placed(others, now) });
      },
      end: () => {
        this.length = now.end - now.start;
        this.view.moveCursor(now.row, now.start);
        this.onSay(this.#describe(now));
      },
    };
  }

  #erase() {
    return {
      move: ({ row, column }) => {
        const { notes } = this.sheet.page;
        const note = noteAt(notes, row, column);
        if (!note) return;
        this.sheet.show({ notes: without(notes, note) });
        this.onSay(`${this.#describe(note)}, erased`);
      },
    };
  }

  #rectangle(first, value) {
    const { free, notes } = this.sheet.page;
    return {
      move: (cell) => {
        const [bottom, top] = [Math.min(first.row, cell.row), Math.max(first.row, cell.row)];
        const [left, right] = [
          Math.min(first.column, cell.column),
          Math.max(first.column, cell.column),
        ];
        this.view.band = {
          row: bottom,
          column: left,
          rows: top - bottom + 1,
          columns: right - left + 1,
        };
        this.sheet.show({ free: painted(free, notes, [top, bottom], [left, right], value) });
      },
      end: () => this.#sayFree(),
    };
  }

  #sayFree() {
    const { free, notes } = this.sheet.page;
    const count = freeCells(free, notes).reduce((sum, bit) => sum + bit, 0);
    this.onSay(count ? `${count} of 3584 cells may change` : "Nothing may change");
  }

  // --- keys --------------------------------------------------------------------------------------

  #key(event) {
    if (event.ctrlKey || event.metaKey) return;
    const { row, column } = this.view.cursor;
    const go = (rows, columns) => this.#go(row + rows, column + columns);
    const pull = (columns) => this.#pull(columns);
    const shift = (rows, columns) => this.#shift(rows, columns);
    const arrow = (rows, columns) => {
      if (event.shiftKey) return columns ? pull(columns) : go(rows * OCTAVE, 0);
      if (event.altKey) return shift(rows, columns);
      return go(rows, columns);
    };
    const keys = {
      ArrowLeft: () => arrow(0, -1),
      ArrowRight: () => arrow(0, 1),
      ArrowUp: () => arrow(1, 0),
      ArrowDown: () => arrow(-1, 0),
      PageUp: () => go(OCTAVE, 0),
      PageDown: () => go(-OCTAVE, 0),
      Home: () => this.#go(row, 0),
      End: () => this.#go(row, COLUMNS - 1),
      ".": () => go(0, BEAT),
      ",": () => go(0, -BEAT),
      Enter: () => this.#toggle(),
      " ": () => this.#toggle(),
      Delete: () => this.#remove(),
      Backspace: () => this.#remove(),
      f: () => this.#paint(1),
      k: () => this.#paint(0),
      Escape: () => this.#forget(),
      "[": () => this.#free({ kind: "from", start: column }),
      s: () => this.onSound(row),
    };
    const act = keys[event.key] ?? keys[event.key.toLowerCase()];
    const reads = ["arrow", "page", "home", "end", "s"].some((name) =>
      event.key.toLowerCase().startsWith(name),
    );
    if (act && (!this.locked || reads)) act();
    else if (!act && !this.onKey(event.key.toLowerCase())) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #go(row, column) {
    this.view.moveCursor(row, column);
    this.view.reveal(this.view.cursor);
    if (this.#corner) {
      const { row, column } = this.view.cursor;
      const [a, b] = [this.#corner.row, this.#corner.column];
      this.view.band = {
        row: Math.min(a, row),
        column: Math.min(b, column),
        rows: Math.abs(a - row) + 1,
        columns: Math.abs(b - column) + 1,
      };
    }
    this.onSay(this.#describeCell());
  }

  /** The note under the cursor. */
  get #note() {
    return noteAt(this.sheet.page.notes, this.view.cursor.row, this.view.cursor.column);
  }

  #toggle() {
    if (this.#note) return this.#remove();
    this.put([this.view.cursor.row]);
  }

  /** Add notes at the cursor, as long as the last. */
  put(rows) {
    const { column } = this.view.cursor;
    const end = Math.min(column + this.length, COLUMNS);
    const notes = rows.map((row) => drawn(row, column, end));
    const all = notes.reduce(placed, this.sheet.page.notes);
    this.sheet.change({ notes: all, ...this.#firstNote() });
    for (const { row } of notes) this.onSound(row);
    this.onSay(`${notes.map((note) => this.#describe(note)).join("; ")}, added`);
  }

  /** Go on by one note's length. */
  advance() {
    this.#go(this.view.cursor.row, clamp(this.view.cursor.column + this.length, 0, COLUMNS - 1));
  }

  #remove() {
    const note = this.#note;
    if (!note) return this.onSay("No note here");
    this.sheet.change({ notes: without(this.sheet.page.notes, note) });
    this.onSay(`${this.#describe(note)}, erased`);
  }

  #pull(columns) {
    const note = this.#note;
    if (!note) return this.onSay("No note here");
    this.#replace(note, stretched(note, { end: note.end + columns }));
    this.length = this.#note ? this.#note.end - this.#note.start : this.length;
  }

  #shift(rows, columns) {
    const note = this.#note;
    if (!note) return this.onSay("No note here");
    const { row, column } = this.view.cursor;
    const now = moved(note, rows, columns);
    this.view.moveCursor(row + now.row - note.row, column + now.start - note.start);
    this.view.reveal(this.view.cursor);
    this.#replace(note, now);
    if (rows) this.onSound(now.row);
  }

  #replace(note, now) {
    // A note that became shorter may have left the cursor behind.
    const { row, column } = this.view.cursor;
    this.view.moveCursor(row, clamp(column, now.start, now.end - 1));
    this.sheet.change({ notes: placed(without(this.sheet.page.notes, note), now) });
    this.onSay(this.#describe(now));
  }

  /** The first press takes a corner, the second paints to the cursor. */
  #paint(value) {
    const { row, column } = this.view.cursor;
    if (!this.#corner) {
      this.#corner = { row, column };
      this.#go(row, column);
      const key = value ? "F" : "K";
      return this.onSay(`Corner at ${this.#describeCell()}. Move, then press ${key} again`);
    }
    const { row: a, column: b } = this.#corner;
    this.#corner = this.view.band = null;
    const { free, notes } = this.sheet.page;
    const rows = [Math.max(a, row), Math.min(a, row)];
    const columns = [Math.min(b, column), Math.max(b, column)];
    this.#free(painted(free, notes, rows, columns, value));
  }

  /** No rectangle after all. */
  #forget() {
    this.#corner = this.view.band = null;
    this.view.draw();
  }

  #free(free) {
    this.sheet.change({ free });
    this.#sayFree();
  }

  #describe({ row, start, end }) {
    return `${noteName(row + LOW)}, ${placeName(start)}, ${beats(end - start)}`;
  }

  #describeCell() {
    const { row, column } = this.view.cursor;
    const { free, notes } = this.sheet.page;
    const note = this.#note;
    const what = note
      ? `, a ${note.made ? "written" : "given"} note of ${beats(note.end - note.start)}`
      : "";
    const open = freeCells(free, notes)[row * COLUMNS + column] ? ", may change" : "";
    return `${noteName(row + LOW)}, ${placeName(column)}${what}${open}`;
  }
}
