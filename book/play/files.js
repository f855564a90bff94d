/**
 * The files that the model needs: fetched over http, and from file://, where nothing can be
 * fetched, read from scripts that hold them (scripts/offline.py).
 */

const VENDOR = "vendor/onnxruntime-web";
/** Where each lies below the root of the book, and about how many bytes it has, for the progress. */
const FILES = {
  card: ["play/model.json", 1e4],
  ort: [`${VENDOR}/ort.wasm.min.js`, 5e4],
  mjs: [`${VENDOR}/ort-wasm-simd-threaded.mjs`, 2e4],
  model: ["play/model.onnx", 5.6e6],
  wasm: [`${VENDOR}/ort-wasm-simd-threaded.wasm`, 11.2e6],
};

/**
 * @param {string | URL} root the address of the book's folder
 * @param {(share: number) => void} onProgress from 0 to 1
 * @returns {Promise<Record<keyof FILES, ArrayBuffer>>}
 */
export async function read(root, onProgress) {
  const total = Object.values(FILES).reduce((sum, [, bytes]) => sum + bytes, 0);
  const found = {};
  let before = 0;
  for (const [key, [name, bytes]] of Object.entries(FILES)) {
    const came = (count) => onProgress((before + Math.min(count, bytes)) / total);
    const address = new URL(name, root);
    found[key] = await (address.protocol === "file:" ? unpack : download)(address, came);
    came(bytes);
    before += bytes;
  }
  return found;
}

async function download(address, came) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status} ${answer.statusText}`);
  let count = 0;
  const counter = new TransformStream({
    transform(chunk, stream) {
      came((count += chunk.byteLength));
      stream.enqueue(chunk);
    },
  });
  return new Response(answer.body.pipeThrough(counter)).arrayBuffer();
}

/** Run a script: from file:// too. */
export async function run(address) {
  const script = document.createElement("script");
  script.src = address;
  await new Promise((done, fail) => {
    script.onload = done;
    script.onerror = () => fail(new Error(`${script.src}: not found`));
    document.head.append(script);
  });
  script.remove();
}

/** A file from the script of its name, which holds it zipped and as text. */
async function unpack(address) {
  await run(`${address}.js`);
  const packed = await fetch(`data:application/gzip;base64,${self.binolabFile}`);
  delete self.binolabFile;
  return new Response(packed.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
