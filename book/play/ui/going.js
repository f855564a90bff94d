/**
 * The large button: it loads the model when it is first pressed, has it write, and stops it.
 */

import { el } from "./html.js";

export class Going {
  #desk;
  #job = null; // {stopped} while the model is loaded or writes
  #text = el("span");
  element = el(
    "button",
    { type: "button", class: "play-go", onclick: () => this.run() },
    this.#text,
  );
  hint = el("p", { class: "play-quiet play-hint" });

  /**
   * @param {import("./desk.js").Desk} desk
   * @param {object} told
   * @param {() => string} told.title what the button says
   * @param {() => {lacks: string} | {notes, cells, options}} told.ask what is to be written; or what
   *     is missing, in words
   * @param {(notes: import("./notes.js").Note[], options: object) => void} told.end
   * @param {(x_t: Float32Array) => void} [told.step] gets each x_t
   */
  constructor(desk, { title, ask, end, step = () => {} }) {
    this.#desk = desk;
    Object.assign(this, { title, ask, end, step });
    this.show();
  }

  /** Have it written, or stop. */
  async run() {
    if (this.#job) return this.#stop();
    const { player, fault } = this.#desk;
    const asked = this.ask();
    if (asked.lacks) return fault(asked.lacks);
    player.wake();
    player.pause();
    const job = (this.#job = { stopped: false });
    this.#desk.setBusy(true);
    try {
      if (await this.#load(job)) await this.#write(asked, job);
    } catch (error) {
      if (!job.stopped) fault(`The model could not write this: ${error.message}`);
    } finally {
      if (this.#job === job) this.#finish();
    }
  }

  #finish() {
    this.#job = null;
    this.#desk.view.x_t = null;
    this.#desk.view.draw();
    this.#desk.setBusy(false);
    this.show();
  }

  /** Load the model if need be; whether there is something to write with. */
  async #load(job) {
    const { writing, say, fault } = this.#desk;
    if (writing.loaded) return true;
    const progress = (share) => {
      if (!job.stopped) this.#showWork(`Loading the model: ${Math.round(100 * share)} %`, share);
    };
    progress(0);
    say("The model is being loaded, once.");
    try {
      await writing.load(progress);
    } catch {
      if (!job.stopped)
        fault("The model could not be loaded. Is the whole book there, and can it be reached?");
      return false;
    }
    return !job.stopped;
  }

  async #write({ notes, cells, options }, job) {
    const { writing, view, say } = this.#desk;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let [count, last] = [null, Infinity];
    let doing = "step";
    const onStep = ({ t, x_t }) => {
      if (job.stopped) return;
      if (last <= t) [doing, count] = ["mending parallels:", t]; // it begins again
      [count, last] = [count ?? t, t];
      this.#showWork(`Stop (${doing} ${count - t + 1} of ${count})`, 1 - t / count);
      this.step(x_t);
      if (still) return;
      view.x_t = x_t;
      view.draw();
    };
    say("The model writes.");
    const made = await writing.write(notes, cells, options, onStep);
    if (made && !job.stopped) this.end(made, options);
  }

  #stop() {
    this.#job.stopped = true;
    this.#desk.writing.stop();
    this.#finish();
    this.#desk.say("Stopped. Your notes are as they were.");
  }

  #showWork(text, share) {
    this.#text.textContent = text;
    this.element.classList.add("play-busy");
    this.element.style.setProperty("--share", share);
  }

  show() {
    if (this.#job) return;
    this.element.classList.remove("play-busy");
    this.#text.textContent = this.title();
    const { writing, settings } = this.#desk;
    const again = settings.now.fresh
      ? "Each press writes another take."
      : "The same seed writes the same again.";
    this.hint.textContent = writing.loaded ? again : "The first time, this loads 17 MB.";
  }
}
