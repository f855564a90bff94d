/**
 * What the reader begins with: presets, a MIDI file, a MIDI keyboard, or a link.
 */

import { DEFAULTS } from "./free.js";
import { clamp } from "./grid.js";
import { button, el, group, number } from "./html.js";
import * as keyboards from "./keyboards.js";
import * as link from "./link.js";
import * as midi from "./midi.js";
import { isMelody } from "./notes.js";
import { PRESETS } from "./presets.js";
import { FREE } from "./words.js";

/** A page of the sheet with some notes, ready for an action. */
export const pageOf = ({ notes, action }) => ({ notes, action, free: DEFAULTS[action](notes) });

/**
 * @param {object} desk what all parts of the page share: see page.js
 * @returns {HTMLElement}
 */
export function openingRow(desk) {
  const { root, sheet, view, hands, settings, say, fault } = desk;
  const begin = (page) => {
    sheet.change(page);
    view.showTop(page.notes);
  };

  // --- presets

  const presets = Object.values(PRESETS).map((preset) =>
    button(preset.text, () => {
      if (desk.busy) return;
      pieceRow.hidden = true;
      begin(pageOf(preset));
      say(`${preset.text}. ${FREE[sheet.page.free.kind]}.`);
    }),
  );

  // --- a MIDI file

  let piece = null;
  const beat = number("First beat", [1, 1], (beat) => show(beat - 1));
  const pieceSaid = el("span");
  const from = el("label", {}, "From beat ", beat);
  const pieceRow = el("p", { class: "play-piece", hidden: true }, pieceSaid, from);

  function show(first) {
    if (desk.busy) return;
    const { notes, outside } = midi.window16(piece, first);
    const action = isMelody(notes) ? "harmonize" : "vary";
    begin(pageOf({ notes, action }));
    const said = [`${notes.length} notes from ${piece.name}.`];
    if (outside) said.push(`${outside} more lie below A1 or above E6 and were left out.`);
    if (piece.rounded) said.push("Times were rounded to sixteenths.");
    say(said.join(" "));
  }

  async function open(file) {
    if (!file || desk.busy) return;
    try {
      piece = { name: file.name, ...midi.read(new Uint8Array(await file.arrayBuffer())) };
    } catch (error) {
      if (!(error instanceof midi.BadFile)) throw error;
      return fault(error.message);
    }
    settings.change({ tempo: clamp(piece.tempo, 30, 240) });
    pieceRow.hidden = piece.beats <= 16;
    pieceSaid.textContent = `${file.name} has ${piece.beats} beats. The roll holds 16 of them.`;
    beat.max = Math.max(1, piece.beats - 15);
    beat.value = 1;
    show(0);
  }

  const chooser = el("input", {
    type: "file",
    accept: ".mid,.midi,audio/midi",
    hidden: true,
    onchange: () => {
      open(chooser.files[0]);
      chooser.value = "";
    },
  });
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    root.classList.add("play-drop");
  });
  root.addEventListener("dragleave", () => root.classList.remove("play-drop"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("play-drop");
    open(event.dataTransfer.files[0]);
  });

  // --- a MIDI keyboard

  async function listen() {
    const put = (row) => desk.busy || hands.put([row]);
    try {
      const names = await keyboards.listen(put, () => hands.advance());
      if (names.length) say(`${names.join(", ")}: play, and notes come at the cursor.`);
      else say("No keyboard is plugged in yet.");
    } catch {
      fault("The browser did not let the page hear a MIDI keyboard.");
    }
  }

  // --- a link

  function followLink() {
    let found = null;
    try {
      found = link.decode(location.hash);
    } catch {
      fault("This link is broken. Here is the page without it.");
    }
    if (!found || desk.busy) return;
    settings.change({ ...found.settings, fresh: false });
    begin(found.page);
    say("This is what the link holds.");
  }
  window.addEventListener("hashchange", followLink);
  followLink();

  const all = group(
    "Begin with",
    el("span", { class: "play-name" }, "Begin with"),
    ...presets,
    button("Open a MIDI file…", () => chooser.click(), { class: "play-open" }),
    ...(keyboards.canListen() ? [button("MIDI keyboard", listen)] : []),
  );
  return el("div", { class: "play-bar play-start" }, all, chooser, pieceRow);
}
