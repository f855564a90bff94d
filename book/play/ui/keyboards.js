/**
 * A MIDI keyboard, where the browser knows of such: what is played is put at the cursor, step by
 * step. Keys that are held together make a chord.
 */

import { LOW, ROWS } from "./grid.js";

export const canListen = () => typeof navigator.requestMIDIAccess === "function";

/**
 * @param {(row: number) => void} onKey a key went down
 * @param {() => void} onRest all keys are up again
 * @returns {Promise<string[]>} the names of the keyboards
 */
export async function listen(onKey, onRest) {
  const access = await navigator.requestMIDIAccess();
  const down = new Set();
  const hear = ({ data: [status, midi, velocity] }) => {
    const [kind, row] = [status & 0xf0, midi - LOW];
    if (row < 0 || row >= ROWS) return;
    if (kind === 0x90 && velocity) {
      down.add(midi);
      onKey(row);
    } else if ((kind === 0x80 || kind === 0x90) && down.delete(midi) && !down.size) onRest();
  };
  const connect = () => {
    for (const input of access.inputs.values()) input.onmidimessage = hear;
  };
  access.onstatechange = connect;
  connect();
  return [...access.inputs.values()].map(({ name }) => name);
}
