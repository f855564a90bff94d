/**
 * The binomial kernel: how noise flips the bits of a roll, and Bayes' rule back.
 *
 * The twin of binolab/diffusion/kernel.py. Bits and probabilities are Float32Arrays. `prior` is ρ,
 * the chance that a noise bit is one, of each cell. Levels are numbers from 0 to 1.
 */

/** One step of noise, Eq. 3: x_t ~ B(x_{t-1}(1 - β_t) + ρ β_t). */
export function step(x, beta_t, prior, rng) {
  return bernoulli(
    x.map((x, i) => x * (1 - beta_t) + prior[i] * beta_t),
    rng,
  );
}

/** All the noise up to t at once, Eq. 8: x_t ~ B(ᾱ_t x_0 + (1 - ᾱ_t) ρ). */
export function forward(x0, alpha_bar_t, prior, rng) {
  return bernoulli(forwardProbability(x0, alpha_bar_t, prior), rng);
}

/** P(x_t = 1 | x_0) of Eq. 8. `x0` may be a probability: the expression is linear in it. */
export function forwardProbability(x0, alpha_bar_t, prior) {
  return x0.map((x0, i) => alpha_bar_t * x0 + (1 - alpha_bar_t) * prior[i]);
}

/**
 * P(x_s = 1 | x_t, x_0) for any jump back s < t: Bayes' rule over Eq. 8.
 *
 * With e_b = q(x_t | x_s = b) and u = P(x_s = 1 | x_0) it is e_1 u / (e_1 u + e_0 (1 - u)). Where
 * x_0 is a probability, the answer is the average over both.
 */
export function posterior(x_t, x0, alpha_bar_s, alpha_bar_t, prior) {
  const [one, zero] = likelihood(x_t, alpha_bar_t / alpha_bar_s, prior); // e_1, e_0
  const given = (bit) =>
    forwardProbability(
      x_t.map(() => bit),
      alpha_bar_s,
      prior,
    ).map((u, i) => {
      const total = one[i] * u + zero[i] * (1 - u); // = q(x_t | x_0)
      // An x_0 that x_t rules out has no posterior: any will do.
      return total > 0 ? (one[i] * u) / total : u;
    });
  const [lit, unlit] = [given(1), given(0)];
  return x0.map((x0, i) => x0 * lit[i] + (1 - x0) * unlit[i]);
}

/** q(x_t | x_s = 1) and q(x_t | x_s = 0), where a bit is kept with chance `alpha_bar`. */
export function likelihood(x_t, alpha_bar, prior) {
  return [1, 0].map((bit) => {
    const p = forwardProbability(
      x_t.map(() => bit),
      alpha_bar,
      prior,
    );
    return x_t.map((x, i) => x * p[i] + (1 - x) * (1 - p[i]));
  });
}

/** What a noisy bit says of the clean one, in nats: ln q(x_t | x_0 = 1) - ln q(x_t | x_0 = 0). */
export function evidence(x_t, alpha_bar_t, prior) {
  const [one, zero] = likelihood(x_t, alpha_bar_t, prior);
  return one.map((one, i) => Math.log(one) - Math.log(zero[i]));
}

/** P(x_0 = 1 | every *other* cell of x_t), of h = P(x_0 = 1 | x_t): the odds less `evidence`. */
export function leaveOneOut(h, x_t, alpha_bar_t, prior) {
  const said = evidence(x_t, alpha_bar_t, prior);
  return h.map((h, i) => sigmoid(logit(Math.min(Math.max(h, 1e-6), 1 - 1e-6)) - said[i]));
}

/** Draw bits, B(p): 1 with the given probability, cell by cell. */
export function bernoulli(probability, rng) {
  const uniform = rng.uniform(probability.length);
  return probability.map((p, i) => Number(uniform[i] < p));
}

export const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const logit = (p) => Math.log(p / (1 - p));
