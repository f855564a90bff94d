// Answers one question a line, [name, ...arguments] as JSON: what the modules of book/play make of
// it. Arrays are numbers; `recorded` gives the numbers that Python drew, call by call.

import { createInterface } from "node:readline";
import { Codec } from "../../book/play/codec.js";
import { full, parallels } from "../../book/play/counterpoint.js";
import * as kernel from "../../book/play/kernel.js";
import { Model } from "../../book/play/model.js";
import * as prompting from "../../book/play/prompting.js";
import { seeded } from "../../book/play/random.js";
import * as rolls from "../../book/play/rolls.js";
import * as sampling from "../../book/play/sampling.js";
import * as schedules from "../../book/play/schedules.js";
import * as voices from "../../book/play/voices.js";

const floats = (numbers) => Float32Array.from(numbers);
const bytes = (numbers) => Uint8Array.from(numbers);

function recorded(draws) {
  const left = draws.map(floats);
  return {
    uniform(n) {
      const next = left.shift();
      if (next?.length !== n) throw new Error(`${n} numbers asked for, ${next?.length} recorded`);
      return next;
    },
    check() {
      if (left.length) throw new Error(`${left.length} draws were not made`);
    },
  };
}

/** A belief of few bits, so that both sides compute it exactly: see `stand_in` in Python. */
const standIn =
  ([K, P, C], exclusive) =>
  async (x_t, alpha_bar_t, known) =>
    x_t.map((x, i) => {
      const [p, c] = [Math.floor(i / C) % P, i % C];
      const near = [
        p && x_t[i - C],
        p + 1 < P && x_t[i + C],
        c && x_t[i - 1],
        c + 1 < C && x_t[i + 1],
      ];
      const count = 1 + 2 * x + near.reduce((sum, bit) => sum + Number(bit), 0) + known[i];
      return Math.fround(
        (count / (exclusive ? 8 * P : 8)) * (0.5 + Math.round(256 * alpha_bar_t) / 512),
      );
    });

async function made(prompt, card, draws, given, options) {
  const rng = recorded(draws);
  const network = standIn([card.kinds, card.pitches, card.columns], card.exclusive);
  const model = new Model(network, card);
  const steps = [];
  const callback = (t, x_t, x0_hat) => void steps.push([t, x_t, x0_hat]);
  const made = await prompting[prompt](model, ...given, { ...options, rng, callback });
  rng.check();
  return [made, steps];
}

const tasks = {
  step: (x, beta_t, prior, u) => kernel.step(floats(x), beta_t, floats(prior), recorded([u])),
  forward: (x, level, prior, u) => kernel.forward(floats(x), level, floats(prior), recorded([u])),
  posterior: (x_t, x0, s, t, prior) =>
    kernel.posterior(floats(x_t), floats(x0), s, t, floats(prior)),
  evidence: (x_t, level, prior) => kernel.evidence(floats(x_t), level, floats(prior)),
  leaveOneOut: (h, x_t, level, prior) =>
    kernel.leaveOneOut(floats(h), floats(x_t), level, floats(prior)),
  schedule: (name, T, ...parameters) => schedules.SCHEDULES[name](T, ...parameters),
  beta: (alpha_bar) => schedules.beta(Float64Array.from(alpha_bar)),
  respace: (alpha_bar, steps) => schedules.respace(Float64Array.from(alpha_bar), steps),
  toBit: (h, rule, u, shape) => sampling.toBit(floats(h), rule, recorded([u]), shape),
  encode: (ticks, grid, roll, shape) => new Codec(ticks, grid).encode(floats(roll), shape),
  decode: (ticks, grid, bits, shape) => new Codec(ticks, grid).decode(floats(bits), shape),
  known: (ticks, grid, mask, shape) => new Codec(ticks, grid).known(bytes(mask), shape),
  split: (roll, V, known, low, shape) => voices.split(floats(roll), V, bytes(known), low, shape),
  merge: (planes, shape) => voices.merge(floats(planes), shape),
  notes: (roll, P, L) => rolls.notes(floats(roll), P, L),
  parallels: (roll, shape) => [parallels(floats(roll), shape), full(floats(roll), shape)],
  fromNotes: (notes, P, L) => rolls.fromNotes(notes, P, L),
  masks: (roll, shape, a, b) => [
    prompting.before(shape, a),
    prompting.outside(shape, a, b),
    prompting.aboveMelody(floats(roll), shape),
  ],
  wholeNotes: (roll, known, shape) => prompting.wholeNotes(floats(roll), bytes(known), shape),
  seeded: (seed, n) => seeded(seed).uniform(n),
  paint: (card, draws, roll, known, options) =>
    made("paint", card, draws, [floats(roll), bytes(known)], options),
  revise: (card, draws, roll, known, options) =>
    made("revise", card, draws, [floats(roll), bytes(known)], options),
  generate: (card, draws, options) => made("generate", card, draws, [], options),
  complete: (card, draws, roll, tick, options) =>
    made("complete", card, draws, [floats(roll), tick], options),
  infill: (card, draws, roll, start, end, options) =>
    made("infill", card, draws, [floats(roll), start, end], options),
  harmonize: (card, draws, roll, options) =>
    made("harmonize", card, draws, [floats(roll)], options),
  vary: (card, draws, roll, strength, options) =>
    made("vary", card, draws, [floats(roll), strength], options),
};

const plain = (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...given] = JSON.parse(line);
  let answer;
  try {
    answer = { answer: await tasks[name](...given) };
  } catch (error) {
    answer = { error: error.message };
  }
  console.log(JSON.stringify(answer, plain));
}
