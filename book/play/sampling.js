/**
 * Algorithm 1 and its relatives: from noise back to a roll.
 *
 * The twin of binolab/diffusion/sampling.py, for one roll. One loop, `sample`, asks the network and
 * takes a *step* t -> t - 1. Samplers differ only in the step:
 *
 *     step(t, x_t, x0_hat, x_T, alpha_bar, prior, rng) -> x_{t-1}
 *
 * Bits are Float32Arrays of `shape` [K, P, C], masks Uint8Arrays.
 */

import * as kernel from "./kernel.js";

/**
 * Algorithm 1: for t = T … 1, x̂_0 from the network, then x_{t-1} from the step.
 *
 * @param {(x_t, alpha_bar_t, known) => Promise<Float32Array>} network P(x_0 = 1 | x_t)
 * @param {Float32Array} x_T where to begin
 * @param {Float64Array} alpha_bar levels to visit, last first
 * @param {{step: Function, corrector?: Function}} sampler one of `SAMPLERS`
 * @param {object} options
 * @param {number[]} options.shape [K, P, C]
 * @param {Float32Array} options.prior ρ of each bit
 * @param {Uint8Array} options.known bits that are given; they are put back after each step
 * @param {Float32Array} options.x_known
 * @param {"one" | "each" | "threshold"} options.bit how a belief becomes bits
 * @param {object} options.rng
 * @param {(t, x_t, x0_hat) => Promise<void> | void} [options.callback] called in each step
 * @returns {Promise<Float32Array>} x_0
 */
export async function sample(network, x_T, alpha_bar, { step, corrector }, options) {
  const { shape, prior, known, x_known, bit, rng, callback } = options;
  const putBack = (x) => x.map((x, i) => (known[i] ? x_known[i] : x));
  let x = putBack(x_T);
  for (let t = alpha_bar.length - 1; t > 0; t--) {
    const h = await network(x, alpha_bar[t], known);
    const x0_hat = toBit(h, bit, rng, shape);
    await callback?.(t, x, putBack(x0_hat));
    x = putBack(step(t, x, x0_hat, x_T, alpha_bar, prior, rng));
    if (corrector && t > 1) {
      const belief = await network(x, alpha_bar[t - 1], known);
      x = putBack(corrector(x, belief, alpha_bar[t - 1], prior, rng));
    }
  }
  return x;
}

/**
 * Algorithm 1's step: put part of the first noise x_T back where it differs from x̂_0.
 *
 * The printed β_t is read as the *cumulative* level 1 - ᾱ_{t-1}, relative to that of x_T.
 */
export function xorMask(t, x_t, x0_hat, x_T, alpha_bar, prior, rng) {
  const beta_t = (1 - alpha_bar[t - 1]) / (1 - alpha_bar.at(-1));
  const delta = x_T.map((x, i) => Number(x !== x0_hat[i])); // δ = x_T ⊕ x̂_0
  const mask = kernel.bernoulli(
    delta.map((delta) => delta * beta_t),
    rng,
  ); // mask ~ B(δ β_t)
  return x0_hat.map((x0, i) => x0 * (1 - mask[i]) + x_T[i] * mask[i]);
}

/** Noise x̂_0 afresh to level t - 1 with Eq. 8. */
export function naive(t, x_t, x0_hat, x_T, alpha_bar, prior, rng) {
  return kernel.forward(x0_hat, alpha_bar[t - 1], prior, rng);
}

/**
 * Draw x_{t-1} from q(x_{t-1} | x_t, x̂_0), Bayes' rule over Eq. 8.
 *
 * `refresh` is the chance that a cell forgets x_t and is noised afresh from x̂_0, as in `naive`.
 */
export function posterior(t, x_t, x0_hat, x_T, alpha_bar, prior, rng, refresh = 0) {
  const p = kernel.posterior(x_t, x0_hat, alpha_bar[t - 1], alpha_bar[t], prior);
  const fresh = kernel.forwardProbability(x0_hat, alpha_bar[t - 1], prior);
  return kernel.bernoulli(
    p.map((p, i) => (1 - refresh) * p + refresh * fresh[i]),
    rng,
  );
}

/**
 * A corrector: draw a `share` of the cells of x_s anew, given all other cells,
 *
 *     x_s ~ B(ᾱ_s h₋ + (1 - ᾱ_s) ρ),    h₋ = P(x_0 = 1 | every other cell of x_s).
 */
export function gibbs(x, belief, alpha_bar_s, prior, rng, share = 0.5) {
  const others = kernel.leaveOneOut(belief, x, alpha_bar_s, prior);
  const chosen = rng.uniform(x.length).map((u) => Number(u < share));
  const drawn = kernel.forward(others, alpha_bar_s, prior, rng);
  return x.map((x, i) => (chosen[i] ? drawn[i] : x));
}

export const SAMPLERS = {
  naive: { step: naive },
  xor: { step: xorMask },
  posterior: { step: posterior },
  gibbs: { step: posterior, corrector: gibbs },
  refreshed: { step: (...given) => posterior(...given, 0.3) },
};

/** x̂_0 as bits: drawn with the given probability, or 1 where it is at least a half. */
export function toBit(probability, rule, rng, shape) {
  if (rule === "each") return kernel.bernoulli(probability, rng);
  if (rule === "one") return drawOne(probability, rng, shape);
  if (rule === "threshold") return probability.map((p) => Number(p >= 0.5));
  throw new RangeError(`bit must be one, each or threshold, got ${rule}`);
}

/**
 * x̂_0 of a voice, which sings one note at a time: a row of each column, or none.
 *
 *     x̂_0 = e_p with chance h_p,    0 with chance 1 - Σ_p h_p
 *
 * One uniform number falls into one of the intervals that the h_p make end to end.
 */
export function drawOne(h, rng, [K, P, C]) {
  const u = rng.uniform(K * C);
  const bits = new Float32Array(h.length);
  for (let k = 0; k < K; k++) {
    for (let c = 0; c < C; c++) {
      let below = 0;
      for (let p = 0; p < P; p++) {
        const i = (k * P + p) * C + c;
        if (below <= u[k * C + c] && u[k * C + c] < below + h[i]) bits[i] = 1;
        below += h[i];
      }
    }
  }
  return bits;
}
