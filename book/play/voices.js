/**
 * Voices: a roll as planes, one for each voice, and the planes as one roll.
 *
 * The twin of binolab/music/voices.py. A model may write four voices on four planes, so that it
 * knows which note follows which. What is heard is their union.
 */

import * as rolls from "./rolls.js";

const CHORALE = [67, 62, 55, 48]; // MIDI, about the middle of Bach's four voices
const CROSSED = 100; // semitones: what it costs a note to sound above a voice that is above its own
const COUNTED = 50; // ... and each voice off, where it is known how many notes sound on one side

/**
 * The roll of some planes: their union, with a gap where any voice strikes a note again.
 *
 * [V, P, L] -> [1, P, L].
 */
export function merge(planes, [V, P, L]) {
  if (V === 1) return planes;
  const cells = P * L;
  const [lit, onset] = [new Float32Array(cells), new Uint8Array(cells)];
  planes.forEach((bit, i) => {
    if (!bit) return;
    lit[i % cells] = 1;
    if (i % L === 0 || !planes[i - 1]) onset[i % cells] = 1;
  });
  return lit.map((bit, i) => ((i + 1) % L && onset[i + 1] && !onset[i] ? 0 : bit));
}

/**
 * The notes of a roll, each in the plane of one voice, the highest voice first.
 *
 * Notes are taken as they begin, the highest first. Those that begin together go to the voices that
 * are free, in order, so that the voices move least. A voice that has not sung begins from the
 * middle of its range. No note sounds above a voice that is above its own, if possible. Where
 * `known` tells what sounds above a note and not what sounds below, the notes above it are counted:
 * a melody is the first voice. A note that finds no voice free is left out.
 *
 * @param {Float32Array} roll [1, P, L]
 * @param {number} voices V; of one the roll is returned as it is
 * @param {Uint8Array} known which cells of the roll are given
 * @param {number} low the MIDI note of row 0
 * @returns {Float32Array} [V, P, L]
 */
export function split(roll, voices, known, low, [, P, L]) {
  if (voices === 1) return roll;
  const middle = (voices === 4 ? CHORALE : evenly(CHORALE[0], CHORALE[3], voices)).map(
    (m) => m - low,
  );
  const sung = Array.from({ length: voices }, () => []);
  for (const [voice, note] of assigned(rolls.notes(roll, P, L), known, middle, P, L)) {
    sung[voice].push(note);
  }
  const planes = new Float32Array(voices * P * L);
  sung.forEach((notes, v) => planes.set(rolls.fromNotes(notes, P, L), v * P * L));
  return planes;
}

/** [voice, note] for the notes of a roll; `last` holds the row that each voice is at. */
function* assigned(notes, given, last, P, L) {
  const until = last.map(() => 0);
  const voices = [...last.keys()];
  const starts = [...new Set(notes.map(([, start]) => start))].sort((a, b) => a - b);
  for (const start of starts) {
    const begun = notes.filter((note) => note[1] === start).sort((a, b) => b[0] - a[0]);
    const held = voices.filter((v) => until[v] > start);
    const free = voices.filter((v) => until[v] <= start);
    const rows = begun.map(([row]) => row);
    const sounding = held.map((v) => last[v]);
    const counted = rows.map((row) => {
      const others = [...rows.filter((r) => r !== row), ...sounding];
      return placed(row, start, given, others, voices.length, P, L);
    });

    const cost = (i, v) => {
      const above = held.filter((h) => rows[i] !== last[h]);
      const crossed = above.filter((h) => rows[i] > last[h] !== v < h).length;
      const off = counted[i] === null ? 0 : Math.abs(v - counted[i]);
      return Math.abs(rows[i] - last[v]) + CROSSED * crossed + COUNTED * off;
    };

    const seen = new Map();
    /** What it costs to give notes from i on to free voices from j on; which go to which. */
    const best = (i, j) => {
      const [notesLeft, voicesLeft] = [begun.length - i, free.length - j];
      if (!notesLeft || !voicesLeft) return [0, [], []];
      const key = i * voices.length + j;
      if (!seen.has(key)) {
        const then = best(i + 1, j + 1);
        const ways = [[cost(i, free[j]) + then[0], [i, ...then[1]], [free[j], ...then[2]]]];
        if (notesLeft > voicesLeft) ways.push(best(i + 1, j));
        if (voicesLeft > notesLeft) ways.push(best(i, j + 1));
        seen.set(
          key,
          ways.reduce((a, b) => (less(b.flat(), a.flat()) ? b : a)),
        );
      }
      return seen.get(key);
    };

    const [, which, where] = best(0, 0);
    for (const [n, i] of which.entries()) {
      const v = where[n];
      [last[v], until[v]] = [rows[i], begun[i][2]];
      yield [v, begun[i]];
    }
  }
}

/** Which voice a note is by the notes that sound on the side of it where all is known. */
function placed(row, start, given, sounding, voices, P, L) {
  const all = (from, to) => {
    for (let r = from; r < to; r++) if (!given[r * L + start]) return false;
    return true;
  };
  const [above, below] = [all(row + 1, P), all(0, row)];
  if (above && !below) return sounding.filter((r) => r > row).length;
  if (below && !above) return voices - 1 - sounding.filter((r) => r < row).length;
  return null;
}

/** Whether a list of numbers comes before another of its length. */
function less(a, b) {
  const i = a.findIndex((value, i) => value !== b[i]);
  return i >= 0 && a[i] < b[i];
}

/** `count` numbers from `start` to `end`, evenly. */
function evenly(start, end, count) {
  const step = (end - start) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? end : i * step + start));
}
