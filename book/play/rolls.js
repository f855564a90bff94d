/**
 * Binary piano rolls as notes and back.
 *
 * The twin of binolab/music/rolls.py. A roll is a Float32Array of bits of P rows and L ticks, pitch
 * first; row 0 is the lowest. A note that is struck again where the last one ends gives up its last
 * tick: the *one-tick gap*. Reading a roll gives the tick back.
 *
 * @typedef {[row: number, start: number, end: number]} Note ends are one past the last tick
 */

/**
 * Draw notes as bits, with a one-tick gap before a note that is struck again. Longer notes are cut.
 *
 * @param {Note[]} notes
 */
export function fromNotes(notes, P, L) {
  const roll = new Float32Array(P * L);
  const begun = notes.filter(([, start]) => start < L);
  for (const [row, start, end] of begun) roll.fill(1, row * L + start, row * L + Math.min(end, L));
  const onsets = new Set(begun.map(([row, start]) => row * L + start));
  for (const onset of onsets) {
    // A one-tick note has no tick to give up.
    if (onset % L && !onsets.has(onset - 1)) roll[onset - 1] = 0;
  }
  return roll;
}

/**
 * Read a roll as notes, by row, then time; a one-tick gap before the same pitch joins what it
 * parted.
 *
 * @returns {Note[]}
 */
export function notes(roll, P, L) {
  const found = [];
  for (let row = 0; row < P; row++) {
    let last = null; // the note before, of this row
    for (let tick = 0; tick < L; tick++) {
      if (!roll[row * L + tick]) continue;
      const start = tick;
      while (tick < L && roll[row * L + tick]) tick++;
      if (last && start === last[2] + 1) last[2] = start;
      last = [row, start, tick];
      found.push(last);
    }
  }
  return found;
}
