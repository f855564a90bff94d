/**
 * What the reader can begin with.
 *
 * The melody is the French folk tune "Ah ! vous dirai-je, maman" (1761). The opening is our own.
 * The chorale is the model's: binolab's `generate` with 100 steps and seed 0.
 */

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

/** [MIDI note, first column, end] of each voice. */
// prettier-ignore
const CHORALE = [
  [
    [71, 0, 4], [67, 4, 8], [69, 8, 12], [69, 12, 16], [67, 16, 20], [65, 20, 24], [72, 24, 28],
    [74, 28, 30], [72, 30, 32], [72, 32, 36], [69, 36, 40], [70, 40, 44], [72, 44, 48],
    [72, 48, 50], [74, 50, 56], [72, 56, 60], [74, 60, 64],
  ],
  [
    [67, 0, 4], [64, 4, 8], [65, 8, 12], [65, 12, 16], [65, 16, 18], [64, 18, 20], [65, 20, 24],
    [65, 24, 28], [70, 28, 30], [69, 30, 32], [67, 32, 36], [65, 36, 40], [65, 40, 44],
    [67, 44, 48], [69, 48, 52], [70, 52, 56], [69, 56, 60], [69, 60, 64],
  ],
  [
    [62, 0, 4], [60, 4, 8], [60, 8, 12], [60, 12, 16], [60, 16, 20], [60, 20, 28], [62, 28, 32],
    [60, 32, 36], [60, 36, 40], [62, 40, 44], [60, 44, 45], [58, 45, 48], [65, 48, 52],
    [58, 52, 56], [65, 56, 60], [60, 60, 62], [65, 62, 64],
  ],
  [
    [55, 0, 4], [48, 4, 8], [53, 8, 12], [53, 12, 14], [52, 14, 16], [53, 16, 18], [55, 18, 20],
    [57, 20, 28], [55, 28, 30], [53, 30, 32], [52, 32, 36], [53, 36, 40], [58, 40, 44],
    [52, 44, 48], [53, 48, 54], [52, 54, 56], [53, 56, 58], [55, 58, 60], [57, 60, 62],
    [53, 62, 64],
  ],
].flatMap((notes, voice) =>
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
