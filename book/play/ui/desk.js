/**
 * What all parts share: the sheet, the settings, what shows and plays them, the model, and the line
 * that tells what happened. The page Play is one desk, a chapter's twin another.
 */

import { placeName } from "./grid.js";
import { Hands } from "./hands.js";
import { el } from "./html.js";
import { Player } from "./player.js";
import { RollView } from "./roll.js";
import { Settings } from "./settings.js";
import { Sheet } from "./sheet.js";
import { Writing } from "./writing.js";

export class Desk {
  busy = false; // while the model is loaded or writes
  #still = false; // whether nothing can be drawn

  /**
   * @param {HTMLElement} root where all is laid out
   * @param {URL} book the address of the book's folder
   * @param {import("./sheet.js").Page} page to begin with
   * @param {{highest: number, others: number}} room of the roll: see RollView
   */
  constructor(root, book, page, room) {
    this.root = root;
    this.book = book;
    this.status = el("p", { class: "play-status", role: "status", "aria-live": "polite" });
    this.sheet = new Sheet(page);
    this.settings = new Settings();
    this.writing = new Writing(book);
    this.view = new RollView(this.sheet, room);
    this.player = new Player(() => this.sheet.page.notes);
    this.hands = new Hands(this.view, this.sheet, {
      onSound: (row) => this.player.sound(row),
      onSay: this.say,
      onPlace: (column) => this.playFrom(column),
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
    this.busy = busy;
    this.hands.locked = busy || this.#still;
    this.root.dataset.busy = busy;
  }

  /** Whether the roll is there to be seen only. */
  setStill(still) {
    this.#still = still;
    this.view.element.classList.toggle("play-still", still);
    this.setBusy(this.busy);
  }

  /** A letter that was pressed on the roll; whether it means something. */
  press() {
    return false;
  }

  /** Begin on a page of notes. */
  begin(page) {
    this.sheet.change(page);
    this.view.showTop(page.notes);
  }

  playFrom(column) {
    this.player.place = column;
    this.view.moveCursor(this.view.cursor.row, column);
    this.view.showHead(column);
    this.say(`Play from ${placeName(column)}.`);
  }
}
