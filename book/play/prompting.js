/**
 * What is known and what is free: every prompt is a mask over the roll.
 *
 * The twin of binolab/diffusion/prompting.py, for one roll. A mask is 1 where the roll is *known*.
 * The model sees the known cells clean, the rest as noise, and writes only the rest: known cells
 * come back untouched, always. Rolls are Float32Arrays and masks Uint8Arrays, of `shape` [1, P, L].
 */

import { full, parallels } from "./counterpoint.js";
import * as kernel from "./kernel.js";
import * as rolls from "./rolls.js";
import * as sampling from "./sampling.js";
import * as schedules from "./schedules.js";

export const ROUNDS = 3; // of `revise`, where a model writes voices

/** A mask from what it says of each row and tick. */
export function mask([, P, L], known) {
  return Uint8Array.from({ length: P * L }, (_, i) => known(Math.floor(i / L), i % L));
}

/** Mask that knows every cell before `tick`. */
export const before = (shape, tick) => mask(shape, (row, t) => t < tick);

/** Mask that knows every cell except those of ticks `start` to `end - 1`. */
export const outside = (shape, start, end) => mask(shape, (row, t) => t < start || t >= end);

/**
 * The highest lit row of every tick, -1 in silence; across a one-tick gap the line goes on.
 *
 * A gap in the last tick is one too: what begins after a window is not seen in it.
 */
export function melodyLine(roll, [, P, L]) {
  const top = Array.from({ length: L }, (_, tick) => {
    for (let row = P - 1; row >= 0; row--) if (roll[row * L + tick]) return row;
    return -1;
  });
  return top.map((row, tick) => {
    const last = tick ? top[tick - 1] : -1;
    const following = tick + 1 < L ? top[tick + 1] : last;
    return last === following && row < last ? last : row; // a note struck again: see `rolls`
  });
}

/**
 * Mask that knows the melody and all above it, so that the harmony lies below.
 *
 * Where the melody rests nothing is known.
 */
export function aboveMelody(roll, shape) {
  const line = melodyLine(roll, shape);
  return mask(shape, (row, tick) => line[tick] >= 0 && row >= line[tick]);
}

/**
 * A mask in which each note that is known for half of its ticks or more is known to its end.
 *
 * For what was played and not written: a legato melody's notes overlap.
 */
export function wholeNotes(roll, known, [, P, L]) {
  const whole = known.slice();
  for (const [row, start, end] of rolls.notes(roll, P, L)) {
    const told = whole.subarray(row * L + start, row * L + end);
    if (2 * told.reduce((sum, bit) => sum + bit, 0) >= told.length) told.fill(1);
  }
  return whole;
}

/**
 * Write the cells that a mask leaves free. All the other prompts are this one.
 *
 * @param {import("./model.js").Model} model
 * @param {Float32Array} x_known the given roll, of the model's `shape`; what it holds in free cells
 *     matters only where `strength` < 1
 * @param {Uint8Array} known
 * @param {object} options
 * @param {{uniform: (n: number) => Float32Array}} options.rng
 * @param {keyof sampling.SAMPLERS} [options.sampler]
 * @param {number} [options.steps] at full strength, each a call of the network; `gibbs` makes two
 * @param {number} [options.strength] where on the schedule to begin: 1 is pure noise, 0 leaves the
 *     roll as it is
 * @param {"draw" | "each" | "threshold"} [options.bit] how a probability becomes a bit
 * @param {(t, x_t, x0_hat) => Promise<void> | void} [options.callback] as in `sampling.sample`, and
 *     at the end with (0, x_0, x_0): bits as the network sees them
 * @returns {Promise<Float32Array>} the roll, equal to `x_known` wherever `known`
 */
export async function paint(model, x_known, known, options) {
  const { sampler = "refreshed", steps = 100, strength = 1, bit = "draw", rng, callback } = options;
  if (!(0 <= strength && strength <= 1)) {
    throw new RangeError(`strength must be between 0 and 1, got ${strength}`);
  }
  if (!Object.hasOwn(sampling.SAMPLERS, sampler)) {
    const names = Object.keys(sampling.SAMPLERS).join(", ");
    throw new RangeError(`sampler must be one of ${names}, got ${sampler}`);
  }
  let alpha_bar = model.alphaBar(Math.max(1000, steps));
  alpha_bar = alpha_bar.slice(0, schedules.round(strength * (alpha_bar.length - 1)) + 1);
  if (alpha_bar.length === 1) return x_known.slice();
  alpha_bar = schedules.respace(alpha_bar, Math.max(1, schedules.round(steps * strength)));
  const [bits, told] = model.encode(x_known, known);
  const x_T = kernel.forward(bits, alpha_bar.at(-1), model.prior, rng);
  const drawn = model.card.exclusive ? "one" : "each";
  const x = await sampling.sample(model.network, x_T, alpha_bar, sampling.SAMPLERS[sampler], {
    shape: model.bits,
    prior: model.prior,
    known: told,
    x_known: bits,
    bit: bit === "draw" ? drawn : bit,
    rng,
    callback,
  });
  await callback?.(0, x, x);
  // To the letter, whatever the grid holds.
  return model.decode(x).map((x, i) => (known[i] ? x_known[i] : x));
}

/**
 * Write anew the beats around the faults of a finished roll, and keep what has fewer.
 *
 * A rule finds the places. The beat before each and the beat after are freed, and the model fills
 * them in, given all the rest. Each stretch of new beats is kept if it has fewer faults and four
 * notes sound in at least as many of its ticks: three have no parallels, so to leave one out would
 * pay.
 *
 * @param {import("./model.js").Model} model
 * @param {Float32Array} x0
 * @param {Uint8Array} known
 * @param {object} options as of `paint`, and:
 * @param {number} [options.rounds] how often at most; by default `ROUNDS` where the model writes
 *     voices
 * @param {(roll, shape) => Uint8Array} [options.rule] the faults by tick; those of a tick may depend
 *     on the two ticks before it, on itself and on the next
 * @returns {Promise<Float32Array>} `x0` itself where nothing better was found
 */
export async function revise(model, x0, known, options) {
  const usual = model.card.exclusive ? ROUNDS : 0;
  const { rounds = usual, rule = parallels, steps = 10, ...how } = options;
  const [beat, L] = [model.card.ticks, model.shape[2]];
  for (let round = 0; round < rounds; round++) {
    const faults = rule(x0, model.shape);
    const near = spread(faults, beat, beat - 1);
    const rest = known.map((bit, i) => (bit || !near[i % L] ? 1 : 0));
    const free = new Uint8Array(L);
    rest.forEach((bit, i) => (free[i % L] |= 1 - bit));
    if (!free.includes(1)) break;
    const again = await paint(model, x0, rest, { ...how, steps });
    const faultsAgain = rule(again, model.shape);
    const [four, fourAgain] = [full(x0, model.shape), full(again, model.shape)];
    const kept = new Uint8Array(L);
    for (const [start, end] of stretches(spread(free, 1, 2))) {
      const sum = (counts) => counts.subarray(start, end).reduce((a, b) => a + b, 0);
      const better = sum(faultsAgain) < sum(faults) && sum(fourAgain) >= sum(four);
      if (better) kept.fill(1, start, end);
    }
    if (kept.includes(1)) x0 = x0.map((x, i) => (kept[i % L] ? again[i] : x));
  }
  return x0;
}

/** The marked ticks, and so many before and after each. */
function spread(marked, before, after) {
  const wide = new Uint8Array(marked.length);
  marked.forEach((mark, tick) => mark && wide.fill(1, Math.max(tick - before, 0), tick + after + 1));
  return wide;
}

/** The runs of marked ticks, each [start, end): its first tick, and the first after it. */
function stretches(marked) {
  const begins = [...marked.keys()].filter((tick) => marked[tick] && !marked[tick - 1]);
  return begins.map((start) => {
    const end = marked.indexOf(0, start);
    return [start, end < 0 ? marked.length : end];
  });
}

/** A roll from nothing. */
export function generate(model, options) {
  const cells = model.shape.reduce((a, b) => a * b);
  return paint(model, new Float32Array(cells), new Uint8Array(cells), options);
}

/** Keep all before `tick`, write the rest. */
export function complete(model, x0, tick, options) {
  return paint(model, x0, before(model.shape, tick), options);
}

/** Write ticks `start` to `end - 1`, keep the rest. */
export function infill(model, x0, start, end, options) {
  return paint(model, x0, outside(model.shape, start, end), options);
}

/** Write what lies below a melody. */
export function harmonize(model, melody, options) {
  return paint(model, melody, aboveMelody(melody, model.shape), options);
}

/** Noise a roll up to t = strength · T and bring it back. */
export function vary(model, x0, strength, options) {
  return paint(model, x0, new Uint8Array(x0.length), { ...options, strength });
}
