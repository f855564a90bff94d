/**
 * The twins: in a chapter, what its code does, live. A twin is a small desk with the controls of its
 * chapter only, in the place of an element `<div class="twin" data-twin="vary">`.
 */

import "./common.css";
import "./twin.css";
import { ROUNDS } from "../prompting.js";
import { missing } from "./asking.js";
import { Desk } from "./desk.js";
import { freeCells } from "./free.js";
import { Going } from "./going.js";
import {
  ICONS,
  button,
  choice,
  choiceOf,
  el,
  field,
  group,
  icon,
  legend,
  number,
  slider,
} from "./html.js";
import * as link from "./link.js";
import { playButton } from "./listening.js";
import { noise } from "./noise.js";
import { pageOf } from "./opening.js";
import { varied } from "./notes.js";
import { pieceOpener } from "./pieces.js";
import { CHORALE, PRESETS } from "./presets.js";
import { randomSeed } from "./settings.js";
import { SAMPLERS, TOOLS } from "./words.js";

const BOOK = new URL("..", document.currentScript.src); // this script lies in the book's play/
const ROOM = { highest: 448, others: 300 }; // of the roll, in pixels

const PENS = ["draw", "erase"];
const CALLS = [1, 100];
const RULES = { draw: "One row or none", each: "Each bit by itself" };

/**
 * By the name in the chapter: what it is; the page to begin with; settings of its own; its controls;
 * what a pointer does on the roll, if anything; what the large button says, if there is one.
 */
const KINDS = {
  noise: {
    name: "Your notes in noise",
    page: { notes: CHORALE, action: "vary", free: { kind: "none" } },
    play: { free: { kind: "all" } }, // of the page in Play
    controls: [noise, seed],
    tools: PENS,
  },
  sample: {
    name: "A path of a sampler",
    page: pageOf(PRESETS.empty),
    settings: { steps: 30 },
    controls: [sampler, calls, seed, path],
    go: "Write",
  },
  bits: {
    name: "Two rules for bits",
    page: pageOf(PRESETS.empty),
    settings: { steps: 4, sampler: "posterior", bit: "each" },
    controls: [rule, calls, seed, path],
    go: "Write",
  },
  mask: {
    name: "Your mask",
    page: { notes: CHORALE, action: "infill", free: { kind: "between", start: 24, end: 40 } },
    settings: { rounds: ROUNDS },
    controls: [seed],
    tools: Object.keys(TOOLS),
    go: "Write what is free",
  },
  harmonize: {
    name: "Your melody, harmonized",
    page: pageOf(PRESETS.melody),
    settings: { rounds: ROUNDS },
    controls: [seed],
    tools: PENS,
    go: "Harmonize",
  },
  vary: {
    name: "Your notes, varied",
    page: pageOf({ notes: CHORALE, action: "vary" }),
    settings: { rounds: ROUNDS },
    controls: [strength, seed],
    tools: PENS,
    go: "Vary",
  },
};

export class Twin extends Desk {
  path = []; // x_T ... x_1 of what was written last
  onPath = () => {}; // called when it grows
  #asked = null; // the notes that the model was given
  #made = null; // what it made of them

  constructor(root, kind) {
    super(root, BOOK, kind.page, ROOM);
    this.kind = kind;
    this.settings.change({ seed: 1, fresh: false, ...kind.settings });
    this.setStill(!kind.tools);
  }

  /** Lay all parts out. */
  open() {
    const { root, kind, sheet, settings, view, player, status } = this;
    const bar = (...children) => el("div", { class: "play-bar" }, ...children);
    settings.addEventListener("change", () => (player.tempo = settings.now.tempo));
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", kind.name);
    root.replaceChildren(
      bar(...kind.controls.map((control) => control(this))),
      ...(kind.go ? [this.#going()] : []),
      ...(kind.tools ? this.#opening(bar) : []),
      view.element,
      el("div", { class: "play-said" }, status, ...(kind.go && kind.tools ? [legend()] : [])),
      bar(playButton(this).element, this.#toPlay()),
    );
    view.showTop(sheet.page.notes);
  }

  #going() {
    const { sheet, settings, kind } = this;
    const going = new Going(this, {
      title: () => kind.go,
      ask: () => {
        const { notes: shown, free, action } = sheet.page;
        // What was varied is varied again from where it began.
        const notes = action === "vary" && shown === this.#made ? this.#asked : shown;
        const cells = freeCells(free, notes);
        const lacks = missing(notes, action, cells);
        if (lacks) return { lacks };
        this.#asked = notes;
        this.path = [];
        const { seed, steps, sampler, bit, rounds } = settings.now;
        const strength = action === "vary" ? settings.now.strength : 1;
        return { notes, cells, options: { seed, steps, sampler, strength, bit, rounds } };
      },
      step: (x_t) => this.path.push(x_t),
      end: (notes, { seed }) => this.#end(notes, seed),
    });
    return el("div", { class: "play-now" }, going.element, going.hint);
  }

  #end(made, seed) {
    const varies = this.sheet.page.action === "vary";
    const notes = varies ? varied(made, this.#asked) : made;
    this.#made = notes;
    this.sheet.change({ notes });
    const count = notes.filter((note) => note.made).length;
    if (varies) this.say(`${count} of ${notes.length} notes are new, with seed ${seed}.`);
    else this.say(`${count} notes written with seed ${seed}.`);
    this.onPath();
  }

  /** What is done to the notes that are given. */
  #opening(bar) {
    const { kind } = this;
    const options = Object.fromEntries(kind.tools.map((tool) => [tool, TOOLS[tool]]));
    const tools = choice("What the pointer does", options, (tool) => {
      this.hands.tool = tool;
      this.say(`${TOOLS[tool].title}.`);
    });
    tools.value = this.hands.tool;
    const begin = (notes) => {
      if (!this.busy) this.begin({ ...kind.page, notes });
    };
    const piece = pieceOpener(this, begin);
    const again = (text, notes) =>
      button(text, () => {
        piece.forget();
        begin(notes);
      });
    const notes = group(
      "Notes",
      piece.open,
      again("Empty", []),
      again("As it was", kind.page.notes),
    );
    return [bar(tools.element, notes), piece.row];
  }

  #toPlay() {
    const { sheet, settings, kind, book } = this;
    const anchor = el("a", {}, "Open in Play, to save it as MIDI");
    const show = () => {
      const page = { ...sheet.page, ...kind.play };
      anchor.href = new URL(`play.html${link.encode(page, settings.now)}`, book);
    };
    sheet.addEventListener("change", show);
    settings.addEventListener("change", show);
    show();
    return anchor;
  }
}

// --- controls: each makes an element of a twin ---------------------------------------------------

function seed({ settings }) {
  const input = number("Seed", [0, 2 ** 32 - 1], (seed) => settings.change({ seed }));
  const another = button("New seed", () => settings.change({ seed: randomSeed() }));
  another.prepend(icon(ICONS.dice));
  const show = () => (input.value = settings.now.seed);
  settings.addEventListener("change", show);
  show();
  return field("Seed", input, another);
}

function strength({ settings }) {
  const { element, show } = slider("Strength", { min: 0, max: 100, step: 5 }, set);
  function set(percent) {
    settings.change({ strength: percent / 100 });
    show(percent, `${percent} %`);
  }
  set(60);
  return element;
}

function sampler({ settings }) {
  const names = Object.entries(SAMPLERS).map(([key, [name]]) => [key, name]);
  const list = choiceOf("Sampler", Object.fromEntries(names), (sampler) =>
    settings.change({ sampler }),
  );
  list.value = settings.now.sampler;
  return field("Sampler", list);
}

function rule({ settings }) {
  const list = choiceOf("Rule for bits", RULES, (bit) => settings.change({ bit }));
  list.value = settings.now.bit;
  return field("Bits", list);
}

function calls({ settings }) {
  const input = number("Calls of the network", CALLS, (steps) => settings.change({ steps }));
  input.value = settings.now.steps;
  return field("Calls", input);
}

/** Back along what was written last. */
function path(twin) {
  const { element, input, show } = slider("Back along the path", { min: 0, max: 0 }, (i) => {
    twin.view.x_t = twin.path[i] ?? null; // after the last x_t come the notes
    twin.view.draw();
    show(i, `t = ${twin.path.length - i}`);
  });
  twin.onPath = () => {
    input.max = twin.path.length;
    input.disabled = !twin.path.length;
    show(twin.path.length, "t = 0");
  };
  twin.onPath();
  return element;
}

for (const root of document.querySelectorAll(".twin")) {
  root.parts = new Twin(root, KINDS[root.dataset.twin]); // for tests
  root.parts.open();
}
