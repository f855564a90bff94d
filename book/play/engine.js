/**
 * The model, as a page uses it: loaded only when asked for, in a worker.
 */

import { read, run } from "./files.js";

export class Engine {
  #worker;
  #waiting = new Map(); // what is done with the answers to a message, by its id
  #count = 0;

  /**
   * @param {string | URL} root the address of the book's folder
   * @param {(share: number) => void} [onProgress] from 0 to 1
   */
  static async load(root, onProgress = () => {}) {
    const files = await read(root, onProgress);
    await run(new URL("play/worker.js", root)); // its text: see scripts/bundle.py
    const engine = new Engine(self.binolabWorker);
    ({ card: engine.card } = await engine.#ask("load", { files }, Object.values(files)));
    return engine;
  }

  /** @param {string} source the text of the worker: from file:// none is loaded by its address */
  constructor(source) {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.#worker = new Worker(address);
    URL.revokeObjectURL(address);
    this.#worker.onmessage = ({ data: { type, id, ...answer } }) => {
      const { done, fail, onStep } = this.#waiting.get(id);
      if (type === "step") return onStep(answer);
      this.#waiting.delete(id);
      if (type === "error") fail(new Error(answer.message));
      else done(type === "stopped" ? null : answer);
    };
    this.#worker.onerror = ({ message }) => {
      for (const { fail } of this.#waiting.values()) fail(new Error(message));
      this.#waiting.clear();
    };
  }

  /**
   * Write the cells that a mask leaves free. What was being written before is stopped.
   *
   * @param {Float32Array} x_known the given roll, [1, P, L]
   * @param {Uint8Array} known
   * @param {object} options `seed`, those of `prompting.paint`, and `rounds` of `prompting.revise`
   * @param {(step: {t: number, x_t: Float32Array, x0_hat: Float32Array}) => void} [onStep] gets x_t
   *     and the x̂_0 made of it, as rolls
   * @returns {Promise<{roll: Float32Array, planes: Float32Array} | null>} the roll, and the planes
   *     [V, P, L] of its voices; null if it was stopped
   */
  paint(x_known, known, options, onStep = () => {}) {
    return this.#ask("paint", { x_known, known, ...options }, [], onStep);
  }

  /** Stop what is being written. */
  stop() {
    return this.#ask("stop");
  }

  /** The network's answer to bits [K, P, C], for one call. */
  async logits(x_t, alpha_bar_t, known) {
    return (await this.#ask("logits", { x_t, alpha_bar_t, known })).logits;
  }

  /** Give the memory back. */
  close() {
    this.#worker.terminate();
  }

  #ask(type, given = {}, transfer = [], onStep) {
    const id = this.#count++;
    return new Promise((done, fail) => {
      this.#waiting.set(id, { done, fail, onStep });
      this.#worker.postMessage({ type, id, ...given }, transfer);
    });
  }
}
