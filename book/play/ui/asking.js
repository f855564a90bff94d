/**
 * What the model shall do, and the large button that has it done.
 */

import { ROUNDS } from "../prompting.js";
import { DEFAULTS, freeCells } from "./free.js";
import { Going } from "./going.js";
import { choice, el, slider } from "./html.js";
import { varied } from "./notes.js";
import { randomSeed } from "./settings.js";
import { ACTIONS, FREE } from "./words.js";

export class Asking {
  #desk;
  #line = el("p", { class: "play-line", "aria-live": "polite" });
  #actions = choice("What the model shall do", ACTIONS, (action) => this.#choose(action));
  #strength = slider("Strength", { min: 5, max: 100, step: 5 }, (percent) =>
    this.#desk.settings.change({ strength: percent / 100 }),
  );

  /** @param {import("./desk.js").Desk} desk */
  constructor(desk) {
    this.#desk = desk;
    this.going = new Going(desk, {
      title: () => ACTIONS[desk.sheet.page.action].button,
      ask: () => this.#ask(),
      end: (notes, options) => this.#end(notes, options),
    });
    this.element = el(
      "div",
      { class: "play-do" },
      el("div", { class: "play-what" }, this.#actions.element, this.#line),
      this.#strength.element,
      el("div", { class: "play-now" }, this.going.element, this.going.hint),
    );
    desk.sheet.addEventListener("change", () => this.#show());
    desk.settings.addEventListener("change", () => this.#show());
    this.#show();
  }

  #choose(action) {
    const { sheet, say, busy } = this.#desk;
    if (busy) return this.#show();
    const free = DEFAULTS[action](sheet.page.notes);
    sheet.change({ action, free });
    say(`${FREE[free.kind]}.`);
  }

  #ask() {
    const { sheet, settings } = this.#desk;
    const { notes, free, action } = sheet.page;
    const cells = freeCells(free, notes);
    const lacks = missing(notes, action, cells);
    if (lacks) return { lacks };
    if (settings.now.fresh) settings.change({ seed: randomSeed() });
    const { seed, steps, sampler } = settings.now;
    const strength = action === "vary" ? settings.now.strength : 1;
    const rounds = sampler === "refreshed" ? ROUNDS : 0; // the others are shown as they are
    return { notes, cells, options: { seed, steps, sampler, strength, rounds } };
  }

  #end(written, { seed }) {
    const { sheet, takes, player, settings, say } = this.#desk;
    const { page } = sheet;
    const notes = page.action === "vary" ? varied(written, page.notes) : written;
    if (page.notes.length && !takes.has(page.notes)) takes.add(page, "Yours");
    sheet.change({ notes });
    takes.add(sheet.page);
    takes.mark(notes);
    const made = notes.filter((note) => note.made).length;
    say(`${made} of ${notes.length} notes are new, with seed ${seed}.`);
    if (!settings.now.autoplay) return;
    player.place = 0;
    player.play();
  }

  #show() {
    const { sheet, settings } = this.#desk;
    const { action } = sheet.page;
    const percent = Math.round(100 * settings.now.strength);
    this.#actions.value = action;
    this.#line.textContent = ACTIONS[action].line;
    this.#strength.element.classList.toggle("play-off", action !== "vary");
    this.#strength.input.disabled = action !== "vary";
    this.#strength.show(percent, `${percent} %`);
    this.going.show();
  }
}

/** What is missing, in words; null if all is there. */
export function missing(notes, action, cells) {
  if (!notes.length && action === "harmonize") return "Draw a melody first.";
  if (!notes.length && action === "vary") return "There is nothing to vary yet.";
  if (!cells.includes(1)) return "Nothing may change. Say first what the model may write.";
  return null;
}
