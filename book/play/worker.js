/**
 * The model in a thread of its own, so that the page never waits for it. README.md lists the
 * messages.
 */

import { Model } from "./model.js";
import * as onnx from "./onnx.js";
import { paint, revise } from "./prompting.js";
import { seeded } from "./random.js";

let model, logits;
let current = null; // the id of what is being written

const answers = {
  async load({ files }) {
    const address = (file, type) => URL.createObjectURL(new Blob([file], { type }));
    importScripts(address(files.ort, "text/javascript"));
    self.ort.env.wasm.numThreads = 1;
    self.ort.env.wasm.wasmPaths = {
      mjs: address(files.mjs, "text/javascript"),
      wasm: address(files.wasm, "application/wasm"),
    };
    const card = JSON.parse(new TextDecoder().decode(files.card));
    const loaded = await onnx.load(self.ort, new Uint8Array(files.model), card);
    model = new Model(loaded.network, card);
    logits = loaded.logits;
    return { card };
  },

  async paint({ id, x_known, known, seed, rounds = 0, ...options }) {
    current = id;
    const rng = seeded(seed);
    let planes = x_known; // of the last that was written
    const callback = async (t, x_t, x0_hat) => {
      if (t === 0) {
        planes = model.codec.decode(x_t, model.bits);
        return;
      }
      postMessage({ type: "step", id, t, x_t: model.decode(x_t), x0_hat: model.decode(x0_hat) });
      await turn(); // a message to stop is read here
      if (current !== id) throw new Stopped();
    };
    const first = await paint(model, x_known, known, { ...options, rng, callback });
    const own = planes; // the voices as the model wrote them
    const roll = await revise(model, first, known, { ...options, steps: 10, rng, callback, rounds });
    return { roll, planes: roll === first ? own : model.split(roll, known) };
  },

  stop() {
    current = null;
  },

  async logits({ x_t, alpha_bar_t, known }) {
    return { logits: await logits(x_t, alpha_bar_t, known) };
  },
};

class Stopped extends Error {}

/** Let other messages in. */
const { port1, port2 } = new MessageChannel();
port1.start();
const turn = () =>
  new Promise((done) => {
    port1.addEventListener("message", done, { once: true });
    port2.postMessage(null);
  });

self.onmessage = async ({ data: { type, ...given } }) => {
  const { id } = given;
  try {
    postMessage({ type: "done", id, ...(await answers[type](given)) });
  } catch (error) {
    if (error instanceof Stopped) postMessage({ type: "stopped", id });
    else postMessage({ type: "error", id, message: error.message ?? String(error) });
  }
};
