/**
 * Notes on the grid, as lists that are never changed in place.
 *
 * @typedef {object} Note
 * @property {number} row
 * @property {number} start the first column
 * @property {number} end one past the last column
 * @property {number | null} voice 0 is the soprano, 3 the bass; null where nobody said
 * @property {boolean} made whether the model wrote it
 */

import * as rolls from "../rolls.js";
import { COLUMNS, ROWS, SHAPE, TICKS, clamp } from "./grid.js";

export const VOICES = ["Soprano", "Alto", "Tenor", "Bass"];
const LENGTH = SHAPE[2];

/** A note that a person put there. */
export const drawn = (row, start, end, voice = null) => ({ row, start, end, voice, made: false });

/** The note at a cell, the one put there last; undefined in silence. */
export const noteAt = (notes, row, column) =>
  notes.findLast((note) => note.row === row && note.start <= column && column < note.end);

/** The notes with one more. What it lies upon gives way. */
export function placed(notes, note) {
  const kept = notes.flatMap((other) => {
    if (other.row !== note.row || other.end <= note.start || note.end <= other.start) return [other];
    if (other.start < note.start) return [{ ...other, end: note.start }];
    if (other.end > note.end) return [{ ...other, start: note.end }];
    return [];
  });
  return [...kept, note];
}

export const without = (notes, note) => notes.filter((other) => other !== note);

/** A note moved, as far as the grid goes. It is a person's from now on. */
export function moved(note, rows, columns) {
  const length = note.end - note.start;
  const start = clamp(note.start + columns, 0, COLUMNS - length);
  const row = clamp(note.row + rows, 0, ROWS - 1);
  return { ...note, row, start, end: start + length, made: false };
}

/** A note with another start or end, at least one column long. */
export function stretched(note, { start = note.start, end = note.end }) {
  if (start !== note.start) start = clamp(start, 0, note.end - 1);
  return { ...note, start, end: clamp(end, start + 1, COLUMNS), made: false };
}

/** Notes as the model's roll of bits. */
export const toRoll = (notes) =>
  rolls.fromNotes(
    notes.map(({ row, start, end }) => [row, start * TICKS, end * TICKS]),
    ROWS,
    LENGTH,
  );

/**
 * What the model gave back, as notes with their voices.
 *
 * @param {{roll: Float32Array, planes: Float32Array}} made
 * @param {Uint8Array} free 1 where the model wrote, ROWS x COLUMNS
 * @returns {Note[]}
 */
export function fromMade({ roll, planes }, free) {
  const asNote = ([row, start, end], voice) => {
    const [from, to] = [Math.round(start / TICKS), Math.round(end / TICKS)];
    const made = Boolean(free[row * COLUMNS + from]);
    return { row, start: from, end: Math.max(to, from + 1), voice, made };
  };
  const found = [];
  for (let v = 0; v < planes.length / roll.length; v++) {
    const plane = planes.subarray(v * roll.length, (v + 1) * roll.length);
    for (const note of rolls.notes(plane, ROWS, LENGTH)) found.push(asNote(note, v));
  }
  // A given note for which there was no voice left is in the roll alone.
  const sung = toRoll(found);
  const left = roll.map((bit, i) => Number(bit && !sung[i - (i % TICKS)]));
  for (const note of rolls.notes(left, ROWS, LENGTH)) found.push(asNote(note, null));
  return found;
}

/** Columns in which nothing sounds, as runs [start, end], between the first note and the last. */
export function gaps(notes) {
  const runs = [];
  let last = null;
  for (const { start, end } of notes.toSorted((a, b) => a.start - b.start)) {
    if (last !== null && start > last) runs.push([last, start]);
    last = Math.max(last ?? 0, end);
  }
  return runs;
}

export const lastEnd = (notes) => notes.reduce((end, note) => Math.max(end, note.end), 0);
