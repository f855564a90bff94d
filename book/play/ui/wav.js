/** The notes as a sound to keep. */

import { BEAT, COLUMNS, LOW } from "./grid.js";
import { joined } from "./notes.js";
import { mixer, tone } from "./sound.js";

const RATE = 44_100;
const TAIL = 1.5; // seconds after the last column

/** The notes as they sound: a WAV file of 16 bits, mono. */
export async function wav(notes, tempo) {
  const column = 60 / tempo / BEAT;
  const length = Math.ceil((COLUMNS * column + TAIL) * RATE);
  const context = new OfflineAudioContext({ numberOfChannels: 1, length, sampleRate: RATE });
  const out = mixer(context);
  for (const { row, start, end } of joined(notes)) {
    tone(context, out, row + LOW, start * column, (end - start) * column);
  }
  const samples = (await context.startRendering()).getChannelData(0);
  const bytes = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (place, letters) =>
    [...letters].forEach((letter, i) => bytes.setUint8(place + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  bytes.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true); // bytes of this part
  bytes.setUint16(20, 1, true); // plain numbers
  bytes.setUint16(22, 1, true); // one channel
  bytes.setUint32(24, RATE, true);
  bytes.setUint32(28, 2 * RATE, true); // bytes a second
  bytes.setUint16(32, 2, true); // bytes a sample
  bytes.setUint16(34, 16, true); // bits a sample
  text(36, "data");
  bytes.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => {
    bytes.setInt16(44 + 2 * i, Math.round(32_767 * Math.min(Math.max(sample, -1), 1)), true);
  });
  return bytes.buffer;
}
