/**
 * What plays the notes of the page: one player at a time in the whole page.
 */

import { BEAT, COLUMNS, LOW, clamp } from "./grid.js";
import { joined } from "./notes.js";
import { mixer, tone } from "./sound.js";

const AHEAD = 0.2; // seconds: notes are handed to the sound card this early
const ROUND = 50; // milliseconds between two looks at what comes next

export class Player {
  #context = null;
  #out;
  #timer = null;
  #origin = 0; // when column 0 sounds, on the context's clock
  #next = 0; // the first column whose notes are not handed over
  #sounding = []; // {end, damp}
  #place = 0;
  #tempo = 96;

  loop = false;
  onChange = () => {}; // called when it begins and when it ends

  /** @param {() => import("./notes.js").Note[]} notes what is to be played */
  constructor(notes) {
    this.notes = notes;
    document.addEventListener("play", () => this.pause(), true); // another of the page
  }

  get playing() {
    return this.#timer !== null;
  }

  /** Beats a minute. */
  get tempo() {
    return this.#tempo;
  }

  set tempo(tempo) {
    const place = this.place;
    this.#tempo = clamp(tempo, 30, 240);
    if (this.playing) this.#origin = this.#context.currentTime - place * this.#column;
  }

  /** Where the playhead stands, in columns. */
  get place() {
    if (!this.playing) return this.#place;
    return Math.max(0, (this.#context.currentTime - this.#origin) / this.#column);
  }

  set place(column) {
    const was = this.playing;
    if (was) this.pause();
    this.#place = clamp(column, 0, COLUMNS);
    if (was) this.play();
  }

  /** A browser lets a page sound only after the reader did something: call this then. */
  wake() {
    if (!this.#context) {
      this.#context = new AudioContext({ latencyHint: "interactive" });
      this.#out = mixer(this.#context);
    }
    this.#context.resume();
  }

  play() {
    if (this.playing) return;
    this.wake();
    document.dispatchEvent(new Event("play")); // to all others, as an audio element does
    if (this.#place >= COLUMNS) this.#place = 0;
    this.#begin(this.#context.currentTime + 0.05);
    this.#timer = setInterval(() => this.#handOver(), ROUND);
    this.#handOver();
    this.onChange();
  }

  pause() {
    if (!this.playing) return;
    this.#place = Math.min(this.place, COLUMNS);
    clearInterval(this.#timer);
    this.#timer = null;
    for (const { damp } of this.#sounding) damp();
    this.#sounding = [];
    this.onChange();
  }

  /** Sound one pitch for a moment. */
  sound(row, seconds = 0.4) {
    this.wake();
    tone(this.#context, this.#out, row + LOW, this.#context.currentTime, seconds);
  }

  /** Seconds of a column. */
  get #column() {
    return 60 / this.#tempo / BEAT;
  }

  #begin(when) {
    this.#origin = when - this.#place * this.#column;
    this.#next = Math.ceil(this.#place);
  }

  #handOver() {
    const now = this.#context.currentTime;
    const until = now + AHEAD;
    this.#sounding = this.#sounding.filter(({ end }) => end > now);
    while (this.#origin + this.#next * this.#column < until) {
      const end = this.#origin + COLUMNS * this.#column;
      if (this.#next >= COLUMNS && !this.loop) {
        if (now < end) return;
        this.pause();
        this.#place = 0;
        return this.onChange();
      }
      if (this.#next >= COLUMNS) {
        this.#place = 0;
        this.#begin(end);
      }
      const when = this.#origin + this.#next * this.#column;
      for (const note of joined(this.notes()).filter(({ start }) => start === this.#next)) {
        const seconds = (note.end - note.start) * this.#column;
        const damp = tone(this.#context, this.#out, note.row + LOW, when, seconds);
        this.#sounding.push({ end: when + seconds, damp });
      }
      this.#next++;
    }
  }
}
