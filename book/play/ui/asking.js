/**
 * What the model shall do, and the large button that has it done.
 */

import { DEFAULTS, freeCells } from "./free.js";
import { choice, el } from "./html.js";
import { randomSeed } from "./settings.js";
import { ACTIONS, FREE } from "./words.js";

export class Asking {
  #desk;
  #job = null; // {stopped} while the model is loaded or writes
  #line = el("p", { class: "play-line", "aria-live": "polite" });
  #text = el("span");
  #go = el("button", { type: "button", class: "play-go", onclick: () => this.run() }, this.#text);
  #hint = el("p", { class: "play-quiet play-hint" });
  #actions = choice("What the model shall do", ACTIONS, (action) => this.#choose(action));
  #strength = el("input", {
    type: "range",
    min: "5",
    max: "100",
    step: "5",
    oninput: ({ target }) => this.#desk.settings.change({ strength: target.valueAsNumber / 100 }),
  });
  #strengthSaid = el("span");
  #strengthRow = el(
    "label",
    { class: "play-strength" },
    el("span", {}, "Strength"),
    this.#strength,
    this.#strengthSaid,
  );

  /** @param {object} desk what all parts of the page share: see page.js */
  constructor(desk) {
    this.#desk = desk;
    this.element = el(
      "div",
      { class: "play-do" },
      el("div", { class: "play-what" }, this.#actions.element, this.#line),
      this.#strengthRow,
      el("div", { class: "play-now" }, this.#go, this.#hint),
    );
    desk.sheet.addEventListener("change", () => this.#show());
    desk.settings.addEventListener("change", () => this.#show());
    this.#show();
  }

  /** What the large button does: have it written, or stop. */
  async run() {
    if (this.#job) return this.#stop();
    const { sheet, player } = this.#desk;
    const { page } = sheet;
    const cells = freeCells(page.free, page.notes);
    const lacks = missing(page, cells);
    if (lacks) return this.#desk.fault(lacks);
    player.wake();
    player.pause();
    const job = (this.#job = { stopped: false });
    this.#desk.setBusy(true);
    try {
      if (await this.#load(job)) await this.#write(page, cells, job);
    } catch (error) {
      if (!job.stopped) this.#desk.fault(`The model could not write this: ${error.message}`);
    } finally {
      if (this.#job === job) this.#end();
    }
  }

  #end() {
    this.#job = null;
    this.#desk.view.x_t = null;
    this.#desk.view.draw();
    this.#desk.setBusy(false);
    this.#show();
  }

  #choose(action) {
    const { sheet, say, busy } = this.#desk;
    if (busy) return this.#show();
    const free = DEFAULTS[action](sheet.page.notes);
    sheet.change({ action, free });
    say(`${FREE[free.kind]}.`);
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
        fault("The model could not be loaded. Is the whole book there, and the network up?");
      return false;
    }
    return !job.stopped;
  }

  async #write(page, cells, job) {
    const { sheet, settings, writing, view, takes, player, say } = this.#desk;
    if (settings.now.fresh) settings.change({ seed: randomSeed() });
    const { seed, steps, sampler, autoplay } = settings.now;
    const strength = page.action === "vary" ? settings.now.strength : 1;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let count = null;
    const onStep = ({ t, x_t }) => {
      if (job.stopped) return;
      count ??= t;
      this.#showWork(`Stop (step ${count - t + 1} of ${count})`, 1 - t / count);
      if (still) return;
      view.x_t = x_t;
      view.draw();
    };
    say("The model writes.");
    const options = { seed, steps, sampler, strength };
    const notes = await writing.write(page.notes, cells, options, onStep);
    if (!notes || job.stopped) return;
    if (page.notes.length && !takes.has(page.notes)) takes.add(page, "Yours");
    sheet.change({ notes });
    takes.add(sheet.page);
    takes.mark(notes);
    const made = notes.filter((note) => note.made).length;
    say(`${made} notes written with seed ${seed}.`);
    if (!autoplay) return;
    player.place = 0;
    player.play();
  }

  #stop() {
    this.#job.stopped = true;
    this.#desk.writing.stop();
    this.#end();
    this.#desk.say("Stopped. Your notes are as they were.");
  }

  #showWork(text, share) {
    this.#text.textContent = text;
    this.#go.classList.add("play-busy");
    this.#go.style.setProperty("--share", share);
  }

  #show() {
    const { sheet, settings, writing } = this.#desk;
    const { action } = sheet.page;
    const percent = Math.round(100 * settings.now.strength);
    this.#actions.value = action;
    this.#line.textContent = ACTIONS[action].line;
    this.#strengthRow.classList.toggle("play-off", action !== "vary");
    this.#strength.disabled = action !== "vary";
    this.#strength.value = percent;
    this.#strengthSaid.textContent = `${percent} %`;
    this.#strength.setAttribute("aria-valuetext", `${percent} %`);
    if (this.#job) return;
    this.#go.classList.remove("play-busy");
    this.#text.textContent = ACTIONS[action].button;
    this.#hint.textContent = writing.loaded
      ? "Each press writes another take."
      : "The first time, this loads 17 MB.";
  }
}

/** What is missing, in words; null if all is there. */
function missing({ notes, action }, cells) {
  if (!notes.length && action === "harmonize") return "Draw a melody first.";
  if (!notes.length && action === "vary") return "There is nothing to vary yet.";
  if (!cells.includes(1)) return "Nothing is free. Say first what the model may write.";
  return null;
}
