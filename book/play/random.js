/**
 * Random numbers. Whatever draws asks `rng.uniform(n)` for n numbers from 0 to 1, 1 left out.
 */

/**
 * sfc32, Chris Doty-Humphrey's "small fast counting" generator of PractRand, 32 bits wide.
 *
 * @param {number} seed a whole number from 0 to 2^32 - 1
 * @returns {{uniform: (n: number) => Float32Array}}
 */
export function seeded(seed) {
  let [a, b, c, count] = [0, seed | 0, 0, 1];
  const next = () => {
    const sum = (a + b + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) next(); // until the seed has reached every bit
  // 24 bits, all that a float has.
  return { uniform: (n) => Float32Array.from({ length: n }, () => (next() >>> 8) / 2 ** 24) };
}
