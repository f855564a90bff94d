/**
 * The grid of the page: 64 columns, each a sixteenth, and 56 rows, each a pitch.
 *
 * The model's roll is finer in time: 6 ticks a column. Row 0 is the lowest pitch.
 */

export const COLUMNS = 64;
export const ROWS = 56;
export const LOW = 33; // the MIDI note of row 0
export const BEAT = 4; // columns
export const BAR = 16; // columns
export const TICKS = 6; // of a column
export const SHAPE = [1, ROWS, COLUMNS * TICKS]; // of the model's roll

const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];

/** The name of a MIDI note: 60 is C4. */
export const noteName = (midi) => `${NAMES[midi % 12]}${Math.floor(midi / 12) - 1}`;

export const isBlack = (midi) => [1, 3, 6, 8, 10].includes(midi % 12);

/** Where a column is, in words. */
export function placeName(column) {
  const sixteenth = column % BEAT;
  const place = `bar ${Math.floor(column / BAR) + 1}, beat ${Math.floor((column % BAR) / BEAT) + 1}`;
  return sixteenth ? `${place}, sixteenth ${sixteenth + 1}` : place;
}

/** How long some columns are, in beats. */
export const beats = (columns) => `${columns / BEAT} ${columns === BEAT ? "beat" : "beats"}`;

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
