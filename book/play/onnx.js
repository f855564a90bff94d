/**
 * The network as ONNX Runtime runs it.
 */

import { sigmoid } from "./kernel.js";

/**
 * @param {object} ort onnxruntime-web
 * @param {Uint8Array} file model.onnx, as scripts/export_onnx.py writes it
 * @param {object} card model.json
 * @returns {Promise<{logits: Function, network: Function}>} both take x_t, alpha_bar_t and known
 */
export async function load(ort, file, card) {
  const session = await ort.InferenceSession.create(file, { executionProviders: ["wasm"] });
  const dims = [1, card.kinds, card.pitches, card.columns];
  const logits = async (x_t, alpha_bar_t, known) => {
    const answer = await session.run({
      x_t: new ort.Tensor("float32", x_t, dims),
      alpha_bar_t: new ort.Tensor("float32", [alpha_bar_t], [1]),
      known: new ort.Tensor("bool", known, dims),
    });
    return answer.logits.data;
  };
  const network = async (...given) => (await logits(...given)).map((x) => sigmoid(x));
  return { logits, network };
}
