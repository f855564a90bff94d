/**
 * Four-part writing: where two voices move in parallel. The twin of binolab/music/counterpoint.py,
 * for one roll.
 */

const VOICES = 4;
const [OCTAVE, FIFTH] = [0, 7]; // semitones, modulo the octave

/** Parallel fifths and octaves by the tick to which they lead: how many pairs of voices, (L,). */
export function parallels(roll, [, P, L]) {
  const lit = (row, tick) => roll[row * L + tick] > 0;
  // A note struck again sounds through its one-tick gap.
  const sounds = (row, tick) =>
    lit(row, tick) || (tick > 0 && tick + 1 < L && lit(row, tick - 1) && lit(row, tick + 1));
  const chord = (tick) => Array.from({ length: P }, (_, row) => row).filter((row) => sounds(row, tick));
  const count = new Uint8Array(L);
  let after = chord(0);
  for (let tick = 1; tick < L; tick++) {
    const before = after;
    after = chord(tick);
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
