/**
 * The bits that noise flips: a roll on a coarser grid, and whether a note is struck again.
 *
 * The twin of binolab/music/codec.py. A roll has V planes of P rows and L ticks, `shape` [V, P, L].
 * Its bits are [K, P, C], with C columns. On the finest grid they are the roll itself, K = V. On a
 * coarser one K = 2 V: the sounding and the struck-again bits of the first plane, then the next.
 */

export class Codec {
  /** Between rolls of `ticks` a beat and bits of `grid` columns a beat, a divisor of `ticks`. */
  constructor(ticks, grid) {
    this.span = ticks / grid; // ticks of a column
    this.kinds = this.span === 1 ? 1 : 2; // bits of a cell and column, for each plane
  }

  /** The bits of a roll, rounded to the grid: [V, P, L] -> [K, P, C]. */
  encode(roll, [V, P, L]) {
    if (this.span === 1) return roll;
    const { span } = this;
    const half = (span + 1) >> 1;
    return this.#bits(V, P, L / span, (v, p, c) => {
      const ticks = (v * P + p) * L + c * span;
      const column = (i) => roll.subarray(ticks + i * span, ticks + (i + 1) * span);
      const sounds = (i) => 2 * column(i).reduce((sum, bit) => sum + bit, 0) >= span;
      if (!sounds(0)) return [0, 0];
      if (c === 0 || !sounds(-1)) return [1, 0];
      const gap = column(-1).subarray(half).includes(0) || column(0).subarray(0, half).includes(0);
      return [1, gap];
    });
  }

  /**
   * The roll of some bits: [K, P, C] -> [V, P, L].
   *
   * A cell that is struck again without sounding, here and before, is not.
   */
  decode(bits, [K, P, C]) {
    if (this.span === 1) return bits;
    const roll = new Float32Array((K / 2) * P * C * this.span);
    for (let v = 0; v < K / 2; v++) {
      for (let p = 0; p < P; p++) {
        const [sounds, again] = [0, 1].map((kind) => ((2 * v + kind) * P + p) * C);
        for (let c = 0; c < C; c++) {
          if (!bits[sounds + c]) continue;
          const start = ((v * P + p) * C + c) * this.span;
          const gap = c + 1 < C && bits[sounds + c + 1] && bits[again + c + 1];
          roll.fill(1, start, start + this.span - (gap ? 1 : 0));
        }
      }
    }
    return roll;
  }

  /**
   * Which bits a mask over ticks tells of: [V, P, L] -> [K, P, C], Uint8Arrays.
   *
   * A column is known when all its ticks are. Whether a note is struck again is known with its
   * column and the one before; in the first column there is nothing to strike again.
   */
  known(mask, [V, P, L]) {
    if (this.span === 1) return mask;
    const { span } = this;
    const bits = this.#bits(V, P, L / span, (v, p, c) => {
      const ticks = (v * P + p) * L + c * span;
      const known = (i) => !mask.subarray(ticks + i * span, ticks + (i + 1) * span).includes(0);
      return [known(0), c === 0 || (known(-1) && known(0))];
    });
    return Uint8Array.from(bits);
  }

  /** Bits [2 V, P, C] from both bits of each cell and column, `pair(v, p, c)`. */
  #bits(V, P, C, pair) {
    const bits = new Float32Array(2 * V * P * C);
    for (let v = 0; v < V; v++) {
      for (let p = 0; p < P; p++) {
        for (let c = 0; c < C; c++) {
          const at = (2 * v * P + p) * C + c;
          [bits[at], bits[at + P * C]] = pair(v, p, c);
        }
      }
    }
    return bits;
  }
}
