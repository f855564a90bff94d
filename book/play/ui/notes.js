/**
 * Notes on the grid, as lists that are never changed in place.
 *
 * @typedef {object} Note
 * @property {number} row
 * @property {number} start the first column
 * @property {number} end one past the last column
 * @property {number | null} voice 0 is the soprano, 3 the bass; null where nobody said
 * @property {boolean} made whether the model wrote it
 * @property {boolean} tied whether it goes on from the note that ends where it begins: so a note can
 *     be a person's in part
 */

import * as rolls from "../rolls.js";
import { COLUMNS, ROWS, SHAPE, TICKS, clamp } from "./grid.js";

export const VOICES = ["Soprano", "Alto", "Tenor", "Bass"];
const LENGTH = SHAPE[2];

/** A note that a person put there. */
export const drawn = (row, start, end, voice = null) => ({
  row,
  start,
  end,
  voice,
  made: false,
  tied: false,
});

/** The note at a cell, the one put there last; undefined in silence. */
export const noteAt = (notes, row, column) =>
  notes.findLast((note) => note.row === row && note.start <= column && column < note.end);

/** The notes with one more. What it lies upon gives way. */
export function placed(notes, note) {
  const kept = notes.flatMap((other) => {
    if (other.row !== note.row || other.end <= note.start || note.end <= other.start)
      return [other];
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
  return { ...note, row, start, end: start + length, made: false, tied: false };
}

/** A note with another start or end, at least one column long. */
export function stretched(note, { start = note.start, end = note.end }) {
  if (start !== note.start) start = clamp(start, 0, note.end - 1);
  const tied = note.tied && start === note.start;
  return { ...note, start, end: clamp(end, start + 1, COLUMNS), made: false, tied };
}

/** The notes as they sound: what is tied is one note. */
export function joined(notes) {
  const whole = [];
  for (const note of notes.toSorted((a, b) => a.start - b.start)) {
    const goesOn = ({ row, end, voice }) =>
      row === note.row && end === note.start && voice === note.voice;
    const before = note.tied && whole.find(goesOn);
    if (before) before.end = note.end;
    else whole.push({ ...note });
  }
  return whole;
}

/** Notes as the model's roll of bits. */
export const toRoll = (notes) =>
  rolls.fromNotes(
    joined(notes).map(({ row, start, end }) => [row, start * TICKS, end * TICKS]),
    ROWS,
    LENGTH,
  );

/**
 * What the model gave back, as notes with their voices. A note that begins or ends where the model
 * did not write is parted there, and tied.
 *
 * @param {{roll: Float32Array, planes: Float32Array}} made
 * @param {Uint8Array} free 1 where the model wrote, ROWS x COLUMNS
 * @returns {Note[]}
 */
export function fromMade({ roll, planes }, free) {
  const found = [];
  const add = ([row, first, last], voice) => {
    const end = Math.round(last / TICKS);
    const isFree = (column) => Boolean(free[row * COLUMNS + column]);
    for (let start = Math.round(first / TICKS), tied = false; start < end; tied = true) {
      let until = start + 1;
      while (until < end && isFree(until) === isFree(start)) until++;
      found.push({ row, start, end: until, voice, made: isFree(start), tied });
      start = until;
    }
  };
  for (let v = 0; v < planes.length / roll.length; v++) {
    const plane = planes.subarray(v * roll.length, (v + 1) * roll.length);
    for (const note of rolls.notes(plane, ROWS, LENGTH)) add(note, v);
  }
  // A given note for which there was no voice left is in the roll alone.
  const sung = toRoll(found);
  const left = roll.map((bit, i) => Number(bit && !sung[i - (i % TICKS)]));
  for (const note of rolls.notes(left, ROWS, LENGTH)) add(note, null);
  return found;
}

/** What a variation gave back: of its notes those that are not in the piece are the model's. */
export function varied(made, given) {
  const kept = ({ row, start, end }) =>
    given.some((note) => note.row === row && note.start === start && note.end === end);
  return made.map((note) => ({ ...note, made: !kept(note) }));
}

/** Whether no two notes sound at once. */
export const isMelody = (notes) =>
  notes.every((a) => notes.every((b) => a === b || a.end <= b.start || b.end <= a.start));

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
