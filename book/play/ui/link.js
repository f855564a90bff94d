/**
 * All that is on the page as the fragment of an address, and back.
 *
 * Numbers of few bits one after the other, as base64url: a note takes 23 bits. Cells that were
 * painted are told as runs.
 */

import { COLUMNS, ROWS } from "./grid.js";
import { VOICES } from "./notes.js";

const VERSION = 1;
const PREFIX = "#play-"; // with what follows a valid name: the theme's script looks for its element
const LINK = /^#play[-=]/; // as it was written once, too
const ACTIONS = ["write", "complete", "infill", "harmonize", "vary"];
const SAMPLERS = ["naive", "xor", "posterior", "refreshed"];
const KINDS = ["all", "none", "below", "after", "from", "between", "painted"];
const RUN = 12; // bits of a run's length: at most ROWS * COLUMNS = 3584

class Writer {
  #bits = [];

  put(value, count) {
    for (let i = count - 1; i >= 0; i--) this.#bits.push(Math.floor(value / 2 ** i) % 2);
  }

  get text() {
    const bytes = [];
    for (let i = 0; i < this.#bits.length; i += 8) {
      bytes.push(
        Array.from({ length: 8 }, (_, k) => this.#bits[i + k] ?? 0).reduce((a, b) => 2 * a + b),
      );
    }
    const plain = btoa(String.fromCharCode(...bytes));
    return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }
}

class Reader {
  #bytes;
  #place = 0;

  constructor(text) {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    this.#bytes = Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  }

  take(count) {
    if (this.#place + count > 8 * this.#bytes.length) throw new RangeError("the link is cut off");
    let value = 0;
    for (let i = 0; i < count; i++, this.#place++) {
      value = 2 * value + ((this.#bytes[this.#place >> 3] >> (7 - (this.#place & 7))) & 1);
    }
    return value;
  }
}

/**
 * @param {import("./sheet.js").Page} page
 * @param {{strength: number, steps: number, sampler: string, seed: number, tempo: number}} settings
 * @returns {string} with its #
 */
export function encode({ notes, free, action }, { strength, steps, sampler, seed, tempo }) {
  const bits = new Writer();
  bits.put(VERSION, 4);
  bits.put(ACTIONS.indexOf(action), 3);
  bits.put(Math.round(100 * strength), 7);
  bits.put(steps, 10);
  bits.put(SAMPLERS.indexOf(sampler), 3);
  bits.put(seed, 32);
  bits.put(tempo, 8);
  bits.put(KINDS.indexOf(free.kind), 3);
  bits.put(free.start ?? 0, 7);
  bits.put(free.end ?? 0, 7);
  bits.put(notes.length, 11);
  for (const { row, start, end, voice, made, tied } of notes) {
    bits.put(row, 6);
    bits.put(start, 6);
    bits.put(end - start - 1, 6);
    bits.put(voice ?? VOICES.length, 3);
    bits.put(Number(made), 1);
    bits.put(Number(tied), 1);
  }
  if (free.kind === "painted") {
    const runs = runLengths(free.cells);
    bits.put(runs.length, RUN);
    for (const run of runs) bits.put(run, RUN);
  }
  return PREFIX + bits.text;
}

/**
 * @param {string} fragment
 * @returns {{page: object, settings: object} | null} null where the fragment is no link of ours
 * @throws where the link is broken
 */
export function decode(fragment) {
  if (!LINK.test(fragment)) return null;
  const bits = new Reader(fragment.slice(PREFIX.length));
  const oneOf = (list, count) => {
    const value = list[bits.take(count)];
    if (value === undefined) throw new RangeError("the link is broken");
    return value;
  };
  if (bits.take(4) !== VERSION) throw new RangeError("the link is of another version");
  const action = oneOf(ACTIONS, 3);
  const settings = {
    strength: Math.min(bits.take(7), 100) / 100,
    steps: Math.max(1, bits.take(10)),
    sampler: oneOf(SAMPLERS, 3),
    seed: bits.take(32),
    tempo: bits.take(8),
  };
  const kind = oneOf(KINDS, 3);
  const [start, end] = [bits.take(7), bits.take(7)];
  const notes = Array.from({ length: bits.take(11) }, () => {
    const [row, first, longer] = [bits.take(6), bits.take(6), bits.take(6)];
    const place = bits.take(3);
    const voice = place < VOICES.length ? place : null;
    const [made, tied] = [Boolean(bits.take(1)), Boolean(bits.take(1))];
    if (row >= ROWS || first + longer >= COLUMNS) throw new RangeError("the link is broken");
    return { row, start: first, end: first + longer + 1, voice, made, tied };
  });
  const free = { kind };
  if (kind === "from" || kind === "between") free.start = start;
  if (kind === "between") free.end = end;
  if (kind === "painted") {
    free.cells = new Uint8Array(ROWS * COLUMNS);
    let place = 0;
    for (let i = bits.take(RUN), value = 0; i > 0; i--, value = 1 - value) {
      const run = bits.take(RUN);
      free.cells.fill(value, place, place + run);
      place += run;
    }
  }
  return { page: { notes, free, action }, settings };
}

/** How many zeros, then ones, then zeros ...; a last run of zeros is left out. */
function runLengths(cells) {
  const runs = [];
  let value = 0;
  let length = 0;
  for (const cell of cells) {
    if (cell === value) {
      length++;
      continue;
    }
    runs.push(length);
    [value, length] = [cell, 1];
  }
  if (value === 1) runs.push(length);
  return runs;
}
