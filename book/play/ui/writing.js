/** The model at work: loaded when it is first asked for. */

import { Engine } from "../engine.js";
import { knownTicks } from "./free.js";
import { fromMade, toRoll } from "./notes.js";

export class Writing {
  #root;
  #loading = null;
  #engine = null;
  #onProgress; // of who asked last

  /** @param {string | URL} root the address of the book's folder */
  constructor(root) {
    this.#root = root;
  }

  get loaded() {
    return this.#engine !== null;
  }

  /** @param {(share: number) => void} onProgress from 0 to 1 */
  async load(onProgress) {
    this.#onProgress = onProgress;
    this.#loading ??= Engine.load(this.#root, (share) => this.#onProgress(share));
    try {
      this.#engine = await this.#loading;
    } catch (error) {
      this.#loading = null; // the next time may be better
      throw error;
    }
  }

  /**
   * Write the free cells.
   *
   * @param {import("./notes.js").Note[]} notes
   * @param {Uint8Array} cells what is free
   * @param {{seed: number, steps: number, sampler: string, strength: number, rounds?: number}}
   *     options those of `Engine.paint`
   * @param {(step: {t: number, x_t: Float32Array}) => void} onStep
   * @returns {Promise<import("./notes.js").Note[] | null>} null if it was stopped
   */
  async write(notes, cells, options, onStep) {
    if (options.strength === 0) return notes;
    const known = knownTicks(cells);
    // At full strength what lies in free cells is forgotten; it should not tell who sings what, too.
    const kept = (bit, i) => (known[i] || options.strength < 1 ? bit : 0);
    const made = await this.#engine.paint(toRoll(notes).map(kept), known, options, onStep);
    return made && fromMade(made, cells);
  }

  stop() {
    return this.#engine?.stop();
  }
}
