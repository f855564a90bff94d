/**
 * The page Play: puts its parts together.
 */

import "./common.css";
import "./page.css";
import { Asking } from "./asking.js";
import { Desk } from "./desk.js";
import { el, legend } from "./html.js";
import { listeningRow } from "./listening.js";
import { openingRow, pageOf } from "./opening.js";
import { PRESETS } from "./presets.js";
import { helpPanel, tablePanel } from "./reading.js";
import { savingRow } from "./saving.js";
import { settingsPanel } from "./settings.js";
import { Takes } from "./takes.js";
import { toolRow } from "./tools.js";

const BOOK = new URL("..", document.currentScript.src); // this script lies in the book's play/
const ROOM = { highest: 680, others: 468 }; // of the roll, in pixels

class Play extends Desk {
  constructor(root) {
    super(root, BOOK, pageOf(PRESETS.melody), ROOM);
    this.takes = new Takes((page) => {
      if (this.busy) return;
      this.sheet.change(page);
      this.say("This take is on the roll again.");
    });
    this.sheet.addEventListener("change", () => this.takes.mark(this.sheet.page.notes));
  }

  press(key) {
    this.letters[key]?.();
    return key in this.letters;
  }

  /** Lay all parts out. */
  open() {
    const { root, sheet, settings, view, status, takes } = this;
    this.say("Draw a tune, or begin with this one.");
    const asking = new Asking(this);
    const tools = toolRow(this);
    const help = helpPanel();
    const listening = listeningRow(this);
    this.letters = {
      ...tools.letters,
      p: listening.toggle,
      g: () => asking.going.run(),
      h: () => {
        help.open = !help.open;
        help.scrollIntoView({ block: "nearest" });
      },
    };
    const div = (name, ...children) => el("div", { class: name }, ...children);
    root.replaceChildren(
      openingRow(this),
      asking.element,
      tools.element,
      view.element,
      div(
        "play-foot",
        div("play-said", status, legend(), tools.zoom),
        div("play-bar play-after", listening.element, savingRow(this)),
      ),
      takes.element,
      settingsPanel(settings),
      help,
      tablePanel(sheet),
    );
    view.showTop(sheet.page.notes);
  }
}

const root = document.getElementById("desk");
root.parts = new Play(root); // for tests and measurements
root.parts.open();
