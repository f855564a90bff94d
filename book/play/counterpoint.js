/**
 * Four-part writing: where two voices move in parallel. The twin of binolab/music/counterpoint.py,
 * for one roll.
 */

const VOICES = 4;
const [OCTAVE, FIFTH] = [0, 7]; // semitones, modulo the octave

/** Whether a cell sounds: a note struck again sounds through its one-tick gap. */
function sounds(roll, L, row, tick) {
  const lit = (at) => roll[row * L + at] > 0;
  return lit(tick) || (tick > 0 && tick + 1 < L && lit(tick - 1) && lit(tick + 1));
}

/** The rows that sound in a tick, the lowest first. */
const chord = (roll, [, P, L], tick) =>
  Array.from({ length: P }, (_, row) => row).filter((row) => sounds(roll, L, row, tick));

/** In which ticks four notes sound, 0 or 1 each: (L,). */
export const full = (roll, shape) =>
  Uint8Array.from({ length: shape[2] }, (_, tick) => chord(roll, shape, tick).length === VOICES);

/** Parallel fifths and octaves by the tick to which they lead: how many pairs of voices, (L,). */
export function parallels(roll, shape) {
  const count = new Uint8Array(shape[2]);
  let after = chord(roll, shape, 0);
  for (let tick = 1; tick < count.length; tick++) {
    const before = after;
    after = chord(roll, shape, tick);
    if (before.length !== VOICES || after.length !== VOICES) continue;
    for (let i = 0; i < VOICES; i++) {
      for (let j = i + 1; j < VOICES; j++) {
        const [was, is] = [before, after].map((rows) => (rows[j] - rows[i]) % 12);
        const moves = [i, j].map((voice) => Math.sign(after[voice] - before[voice]));
        const same = was === is && moves[0] === moves[1] && moves[0] !== 0;
        count[tick] += Number(same && (is === FIFTH || is === OCTAVE));
      }
    }
  }
  return count;
}
