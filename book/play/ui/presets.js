/**
 * What the reader can begin with.
 *
 * The melody is the French folk tune "Ah ! vous dirai-je, maman" (1761). The opening is our own.
 * The chorale is the model's (chorale.js).
 */

import { VOICES } from "./chorale.js";
import { COLUMNS, LOW } from "./grid.js";
import { drawn } from "./notes.js";

/** Notes one after the other, from MIDI notes and lengths in columns. */
function line(voice, notes) {
  let start = 0;
  return notes.map(([midi, columns]) => {
    start += columns;
    return drawn(midi - LOW, start - columns, start, voice);
  });
}

const even = (columns, ...notes) => notes.map((midi) => [midi, columns]);

const MELODY = line(null, [
  ...even(4, 67, 67, 74, 74, 76, 76),
  [74, 8],
  ...even(4, 72, 72, 71, 71, 69, 69),
  [67, 8],
]);

// prettier-ignore
const OPENING = [
  [[67, 4], [69, 4], [71, 4], [72, 4]],
  [[64, 4], [65, 4], [65, 4], [67, 4]],
  [[60, 4], [60, 4], [62, 4], [60, 4]],
  [[48, 4], [53, 4], [55, 4], [52, 4]],
].flatMap((notes, voice) => line(voice, notes));

export const CHORALE = VOICES.flatMap((notes, voice) =>
  notes.map(([midi, start, end]) => drawn(midi - LOW, start, end, voice)),
);

/** What is left of notes before a column. */
const before = (notes, column) =>
  notes
    .filter((note) => note.start < column)
    .map((note) => ({ ...note, end: Math.min(note.end, column) }));

/** What is left of notes from a column on. */
const after = (notes, column) =>
  notes
    .filter((note) => note.end > column)
    .map((note) => ({ ...note, start: Math.max(note.start, column) }));

const [FIRST, LAST] = [COLUMNS / 4, (3 * COLUMNS) / 4]; // of the hole

/** By name: what is on the button, the notes, what to do with them, and what then is free. */
export const PRESETS = {
  empty: { text: "Empty page", notes: [], action: "write" },
  melody: { text: "A melody", notes: MELODY, action: "harmonize" },
  opening: { text: "An opening", notes: OPENING, action: "complete" },
  hole: {
    text: "A hole",
    notes: [...before(CHORALE, FIRST), ...after(CHORALE, LAST)],
    action: "infill",
  },
  chorale: {
    text: "A chorale’s first half",
    notes: before(CHORALE, COLUMNS / 2),
    action: "complete",
  },
};
