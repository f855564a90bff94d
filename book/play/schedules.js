/**
 * Noise schedules: how fast the bits of a roll are lost.
 *
 * The twin of binolab/diffusion/schedules.py. A schedule is a Float64Array of length T + 1:
 * `alpha_bar[t]` is the chance that a cell still carries its own bit after t steps,
 *
 *     α_t = 1 - β_t                       Eq. 4
 *     ᾱ_t = ∏_{s=1…t} α_s                 Eq. 5
 */

/** β_t = 1 - ᾱ_t/ᾱ_{t-1} for t = 1…T (Eq. 4, 5 read backwards): β_t is [t - 1]. */
export function beta(alpha_bar) {
  return alpha_bar.slice(1).map((level, i) => 1 - level / alpha_bar[i]);
}

/** ᾱ_t = 1 - t/T: the noise level 1 - ᾱ_t grows evenly. */
export const linear = (T) => power(T, 1);

/** ᾱ_t = (1 - t/T)^p. */
export const power = (T, p = 2) => Float64Array.from({ length: T + 1 }, (_, t) => (1 - t / T) ** p);

/** ᾱ_t = cos²(πt / 2T), with ᾱ_T = 0 exactly. */
export function cosine(T) {
  const level = (_, t) => (t < T ? Math.cos(((Math.PI / 2) * t) / T) ** 2 : 0);
  return Float64Array.from({ length: T + 1 }, level);
}

/** A schedule through measured `levels`: ᾱ between them by straight lines, evenly in t. */
export function spaced(T, levels = [1, 0]) {
  return linspace(levels.length - 1, T).map((place) => {
    const left = Math.min(Math.floor(place), levels.length - 2);
    return levels[left] + (levels[left + 1] - levels[left]) * (place - left);
  });
}

export const SCHEDULES = { linear, power, cosine, spaced };

/** Keep `steps` of a schedule's T steps, evenly in t, with both ends: ᾱ at the kept t's. */
export function respace(alpha_bar, steps) {
  const T = alpha_bar.length - 1;
  if (!(Number.isInteger(steps) && 1 <= steps && steps <= T)) {
    throw new RangeError(`steps must be between 1 and T = ${T}, got ${steps}`);
  }
  return linspace(T, steps).map((t) => alpha_bar[round(t)]);
}

/** The nearest whole number, and the even one of two: Python's and torch's. */
export function round(x) {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low % 2) : Math.round(x);
}

/** From 0 to `end` in `steps` equal steps; the second half is counted from the end, as in torch. */
function linspace(end, steps) {
  const place = (_, i) =>
    i < (steps + 1) >> 1 ? i * (end / steps) : end - (steps - i) * (end / steps);
  return Float64Array.from({ length: steps + 1 }, place);
}
