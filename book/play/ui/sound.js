/**
 * A tone like a piano's, of a few partials that die away and a soft hammer. No samples.
 */

/** How loud each partial is, beside the first. */
const PARTIALS = [1, 0.5, 0.28, 0.14, 0.08, 0.04];
const HIGHEST = 12_000; // Hz
const RELEASE = 0.12; // seconds until a damped string is still
const LOUDNESS = 0.16;

export const frequency = (midi) => 440 * 2 ** ((midi - 69) / 12);

/**
 * Sound one note.
 *
 * @param {BaseAudioContext} context
 * @param {AudioNode} out
 * @param {number} midi
 * @param {number} when seconds, on the context's clock
 * @param {number} seconds how long the key is held
 * @returns {() => void} damps the note now
 */
export function tone(context, out, midi, when, seconds) {
  const end = when + seconds;
  const damper = new GainNode(context, { gain: 0 });
  damper.gain.setValueAtTime(0, when);
  damper.gain.linearRampToValueAtTime(LOUDNESS, when + 0.004);
  damper.gain.setValueAtTime(LOUDNESS, end);
  damper.gain.setTargetAtTime(0, end, RELEASE / 4);
  damper.connect(out);

  const first = frequency(midi);
  const rings = 4 * 2 ** ((48 - midi) / 24); // seconds: a low string rings longer
  const strings = PARTIALS.flatMap((level, i) => {
    const pitch = first * (i + 1) * Math.sqrt(1 + 0.0004 * (i + 1) ** 2); // a stiff string
    if (pitch > HIGHEST) return [];
    const decay = new GainNode(context, { gain: level });
    decay.gain.setValueAtTime(level, when);
    decay.gain.setTargetAtTime(0, when, rings / (3 * (1 + 0.7 * i)));
    const string = new OscillatorNode(context, { frequency: pitch });
    string.connect(decay).connect(damper);
    string.start(when);
    string.stop(end + RELEASE);
    return [string];
  });

  const hammer = new AudioBufferSourceNode(context, { buffer: felt(context) });
  const soft = new BiquadFilterNode(context, { type: "lowpass", frequency: 3 * first + 300 });
  hammer.connect(soft).connect(damper);
  hammer.start(when);
  strings[0].onended = () => damper.disconnect();

  return () => {
    damper.gain.cancelScheduledValues(0);
    damper.gain.setTargetAtTime(0, context.currentTime, RELEASE / 4);
    for (const string of strings) string.stop(context.currentTime + RELEASE);
  };
}

const felts = new WeakMap();

/** A hundredth of a second of noise that dies away. */
function felt(context) {
  if (!felts.has(context)) {
    const count = Math.round(0.012 * context.sampleRate);
    const buffer = new AudioBuffer({ length: count, sampleRate: context.sampleRate });
    const samples = buffer.getChannelData(0);
    for (let i = 0; i < count; i++)
      samples[i] = 0.5 * (Math.random() * 2 - 1) * (1 - i / count) ** 2;
    felts.set(context, buffer);
  }
  return felts.get(context);
}

/** Where all notes of a context meet: a compressor keeps full chords from clipping. */
export function mixer(context) {
  const out = new DynamicsCompressorNode(context, { threshold: -14, ratio: 4, release: 0.2 });
  out.connect(context.destination);
  return out;
}
