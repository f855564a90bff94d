/**
 * Notes under the noise of Eq. 8, at any t of a schedule. No model is in it.
 */

import { Codec } from "../codec.js";
import * as kernel from "../kernel.js";
import { seeded } from "../random.js";
import * as schedules from "../schedules.js";
import { BEAT, SHAPE, TICKS } from "./grid.js";
import { choiceOf, el, field, slider } from "./html.js";
import { fromMade, toRoll } from "./notes.js";

const T = 100;
const SCHEDULES = {
  linear: ["Linear", schedules.linear(T)],
  cosine: ["Cosine", schedules.cosine(T)],
  cubic: ["Cubic", schedules.power(T, 3)],
};
const RHO = 0.069; // the density of the chorales' rolls
const PRIOR = new Float32Array(SHAPE[1] * SHAPE[2]).fill(RHO);
const CODEC = new Codec(TICKS * BEAT, BEAT);

/** What a roll of ticks is to a reader of sixteenths, as notes. */
function inSixteenths(roll) {
  const bits = CODEC.encode(roll, SHAPE);
  const heard = CODEC.decode(bits, [2, SHAPE[1], SHAPE[2] / TICKS]);
  return fromMade({ roll: heard, planes: heard }, new Uint8Array(heard.length));
}

const count = (bits) => bits.reduce((sum, bit) => sum + bit, 0).toLocaleString("en");

/** @param {import("./twin.js").Twin} twin */
export function noise(twin) {
  const { sheet, settings, view, player } = twin;
  let name = "linear";
  let t = 65;
  const names = Object.entries(SCHEDULES).map(([key, [text]]) => [key, text]);
  const schedule = choiceOf("Schedule", Object.fromEntries(names), (chosen) => {
    name = chosen;
    show();
  });
  const time = slider("Step t", { min: 0, max: T }, (value) => {
    t = value;
    show();
  });
  const line = el("p", { class: "play-quiet" });

  function show() {
    const free = { kind: t ? "all" : "none" };
    if (sheet.page.free.kind !== free.kind) return sheet.show({ free }); // comes back to here
    const alpha_bar_t = SCHEDULES[name][1][t];
    const x0 = toRoll(sheet.page.notes);
    const x_t = kernel.forward(x0, alpha_bar_t, PRIOR, seeded(settings.now.seed));
    view.x_t = t ? x_t : null;
    view.draw();
    twin.setStill(t > 0);
    const level = `noise level ${(100 * (1 - alpha_bar_t)).toFixed(1)} %`;
    time.show(t, `${t}: ${level}`);
    const dark = count(x0.map((bit, i) => bit * (1 - x_t[i])));
    const lit = count(x_t.map((bit, i) => bit * (1 - x0[i])));
    line.textContent = `Of the music’s ${count(x0)} lit cells ${dark} are dark; ${lit} others are lit.`;
  }
  sheet.addEventListener("change", show);
  settings.addEventListener("change", show);
  player.notes = () => (view.x_t ? inSixteenths(view.x_t) : sheet.page.notes);
  show();
  return el("div", { class: "twin-noise" }, field("Schedule", schedule), time.element, line);
}
