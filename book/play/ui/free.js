/**
 * What is free: the cells that the model may write.
 *
 * What is free is told by a rule, so that it follows the notes; painted by hand, it is told cell by
 * cell. Cells are a Uint8Array of ROWS x COLUMNS, 1 where free.
 *
 * @typedef {{kind: "all" | "none" | "below" | "after"}
 *   | {kind: "from", start: number}
 *   | {kind: "between", start: number, end: number}
 *   | {kind: "painted", cells: Uint8Array}} Free
 */

import { aboveMelody } from "../prompting.js";
import { BEAT, COLUMNS, ROWS, SHAPE, TICKS } from "./grid.js";
import { gaps, lastEnd, toRoll } from "./notes.js";

const byColumn = (isFree) =>
  Uint8Array.from({ length: ROWS * COLUMNS }, (_, i) => isFree(i % COLUMNS));

const RULES = {
  all: () => byColumn(() => true),
  none: () => byColumn(() => false),
  from: ({ start }) => byColumn((column) => column >= start),
  after: (_, notes) => byColumn((column) => column >= afterGiven(notes)),
  between: ({ start, end }) => byColumn((column) => start <= column && column < end),
  painted: ({ cells }) => cells,
  below(_, notes) {
    const known = aboveMelody(toRoll(givenOf(notes)), SHAPE);
    return Uint8Array.from({ length: ROWS * COLUMNS }, (_, i) => !known[i * TICKS]);
  },
};

/** The notes that a person gave; all of them where the model wrote them all. */
export function givenOf(notes) {
  const given = notes.filter((note) => !note.made);
  return given.length ? given : notes;
}

/** The first beat after what a person gave; the middle where they gave all or nothing. */
function afterGiven(notes) {
  const end = BEAT * Math.ceil(lastEnd(givenOf(notes)) / BEAT);
  return end && end < COLUMNS ? end : COLUMNS / 2;
}

/** @returns {Uint8Array} the free cells */
export const freeCells = (free, notes) => RULES[free.kind](free, notes);

/** The model's mask: 1 where a tick is known. */
export const knownTicks = (cells) =>
  Uint8Array.from({ length: SHAPE[1] * SHAPE[2] }, (_, i) => !cells[Math.floor(i / TICKS)]);

/** What is free after a rectangle [row, row], [column, column], ends included, is painted. */
export function painted(free, notes, [top, bottom], [left, right], value) {
  const cells = freeCells(free, notes).slice();
  for (let row = bottom; row <= top; row++) {
    cells.fill(value, row * COLUMNS + left, row * COLUMNS + right + 1);
  }
  return { kind: "painted", cells };
}

/** What each action sets free, until something else is said. */
export const DEFAULTS = {
  write: () => ({ kind: "all" }),
  vary: () => ({ kind: "all" }),
  harmonize: () => ({ kind: "below" }),
  complete: () => ({ kind: "after" }),
  infill(notes) {
    const [start, end] = gaps(notes).reduce(
      (widest, gap) => (gap[1] - gap[0] > widest[1] - widest[0] ? gap : widest),
      [0, 0],
    );
    return end > start ? { kind: "between", start, end } : { kind: "between", start: 24, end: 40 };
  },
};
