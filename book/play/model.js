/**
 * A network and all that sampling must know of it: the twin of binolab/model.py and card.py.
 */

import { Codec } from "./codec.js";
import { SCHEDULES } from "./schedules.js";
import * as voices from "./voices.js";

export class Model {
  /**
   * @param {(x_t: Float32Array, alpha_bar_t: number, known: Uint8Array) => Promise<Float32Array>}
   *     network P(x_0 = 1 | x_t) of bits [K, P, C]
   * @param {object} card as scripts/export_onnx.py writes it
   */
  constructor(network, card) {
    this.network = network;
    this.card = card;
    this.codec = new Codec(card.ticks, card.grid);
    this.shape = [1, card.pitches, card.length]; // of a roll
    this.planes = [card.planes, card.pitches, card.length];
    this.bits = [card.kinds, card.pitches, card.columns];
    // ρ of each bit
    this.prior = Float32Array.from(
      card.prior.flatMap((row) => row.flatMap((rho) => Array(card.columns).fill(rho))),
    );
  }

  /** The schedule in T steps. */
  alphaBar(T) {
    const [name, ...parameters] = this.card.schedule;
    return SCHEDULES[name](T, ...parameters);
  }

  /** A roll as planes, one for each voice: [1, P, L] -> [V, P, L]. */
  split(roll, known) {
    return voices.split(roll, this.card.planes, known, this.card.low, this.shape);
  }

  /** A roll and its mask as the bits of the network: [1, P, L] -> [K, P, C] twice. */
  encode(roll, known) {
    const { planes } = this.card;
    const split = this.split(roll, known);
    const every = new Uint8Array(planes * known.length);
    for (let v = 0; v < planes; v++) every.set(known, v * known.length);
    return [this.codec.encode(split, this.planes), this.codec.known(every, this.planes)];
  }

  /** The roll of some bits: [K, P, C] -> [1, P, L]. */
  decode(bits) {
    return voices.merge(this.codec.decode(bits, this.bits), this.planes);
  }
}
