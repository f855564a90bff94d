/**
 * How it is written and played: the values, and the folded part of the page that has most of them.
 */

import { ICONS, choiceOf, el, field, check, iconButton, number } from "./html.js";
import { SAMPLERS } from "./words.js";

export const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;

/** Tells of each change by the event "change". */
export class Settings extends EventTarget {
  now = {
    strength: 0.5, // of a variation
    steps: 20, // calls of the network
    sampler: "refreshed",
    seed: randomSeed(),
    fresh: true, // a new seed each time
    tempo: 96, // beats a minute
    loop: false,
    autoplay: true, // what was written is played at once
  };

  change(part) {
    Object.assign(this.now, part);
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {Settings} settings */
export function settingsPanel(settings) {
  const set = (key) => (value) => settings.change({ [key]: value });
  const seed = number("Seed", [0, 2 ** 32 - 1], (seed) => settings.change({ seed, fresh: false }));
  const steps = number("Calls of the network", [1, 500], set("steps"));
  const names = Object.entries(SAMPLERS).map(([key, [name]]) => [key, name]);
  const sampler = choiceOf("Sampler", Object.fromEntries(names), set("sampler"));
  const fresh = check("A new seed each time", set("fresh"));
  const autoplay = check("Play what was written", set("autoplay"));
  const dice = iconButton("Another seed", ICONS.dice, () =>
    settings.change({ seed: randomSeed() }),
  );
  const quiet = (text) => el("span", { class: "play-quiet" }, text);
  const line = quiet("");
  const show = () => {
    const { now } = settings;
    seed.value = now.seed;
    steps.value = now.steps;
    sampler.value = now.sampler;
    fresh.input.checked = now.fresh;
    autoplay.input.checked = now.autoplay;
    line.textContent = SAMPLERS[now.sampler][1];
  };
  settings.addEventListener("change", show);
  show();
  return el(
    "details",
    { class: "play-settings" },
    el("summary", {}, "How the model writes"),
    el(
      "div",
      { class: "play-fields" },
      field("Seed", seed, dice, quiet("A number: the same one writes the same again.")),
      fresh.element,
      field("Calls of the network", steps, quiet("Steps from noise to music. More take longer.")),
      autoplay.element,
      field("Sampler", sampler, line),
    ),
  );
}
