/**
 * The page Play: puts its parts together.
 */

import "./page.css";
import { Asking } from "./asking.js";
import { Hands } from "./hands.js";
import { el } from "./html.js";
import { listeningRow } from "./listening.js";
import { openingRow, pageOf } from "./opening.js";
import { Player } from "./player.js";
import { PRESETS } from "./presets.js";
import { helpPanel, tablePanel } from "./reading.js";
import { RollView } from "./roll.js";
import { savingRow } from "./saving.js";
import { Settings, settingsPanel } from "./settings.js";
import { Sheet } from "./sheet.js";
import { Takes } from "./takes.js";
import { toolRow } from "./tools.js";
import { Writing } from "./writing.js";

const BOOK = new URL("..", document.currentScript.src); // this script lies in the book's play/

/**
 * What all parts of the page share: the sheet, the settings, what shows and plays them, the model,
 * and the line that tells what happened.
 */
class Desk {
  busy = false; // while the model is loaded or writes

  constructor(root) {
    this.root = root;
    this.status = el("p", { class: "play-status", role: "status", "aria-live": "polite" });
    this.sheet = new Sheet(pageOf(PRESETS.melody));
    this.settings = new Settings();
    this.writing = new Writing(BOOK);
    this.view = new RollView(this.sheet);
    this.player = new Player(() => this.sheet.page.notes);
    this.takes = new Takes((page) => {
      if (this.busy) return;
      this.sheet.change(page);
      this.say("This take is on the roll again.");
    });
    this.sheet.addEventListener("change", () => this.takes.mark(this.sheet.page.notes));
    this.hands = new Hands(this.view, this.sheet, {
      onSound: (row) => this.player.sound(row),
      onSay: this.say,
      onPlace: (column) => this.listening.from(column),
      onKey: (key) => this.press(key),
    });
    this.setBusy(false);
  }

  say = (text) => {
    this.status.textContent = text;
    this.status.classList.remove("play-fault");
  };

  fault = (text) => {
    this.status.textContent = text;
    this.status.classList.add("play-fault");
  };

  setBusy(busy) {
    this.busy = this.hands.locked = busy;
    this.root.dataset.busy = busy;
  }

  /** A letter that was pressed on the roll; whether it means something. */
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
    this.listening = listeningRow(this);
    this.letters = {
      ...tools.letters,
      p: this.listening.toggle,
      g: () => asking.run(),
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
      div("play-said", status, legend(), tools.zoom),
      div("play-bar play-after", this.listening.element, savingRow(this)),
      takes.element,
      settingsPanel(settings),
      help,
      tablePanel(sheet),
    );
    view.showTop(sheet.page.notes);
  }
}

const legend = () =>
  el(
    "p",
    { class: "play-legend" },
    el("span", { class: "play-yours" }, "yours"),
    el("span", { class: "play-models" }, "the model’s"),
    el("span", { class: "play-open-cells" }, "free"),
  );

const root = document.getElementById("desk");
root.parts = new Desk(root); // for tests and measurements
root.parts.open();
