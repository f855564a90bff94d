/**
 * A MIDI file that the reader opens or drops: sixteen beats of it come on the roll.
 */

import { clamp } from "./grid.js";
import { button, el, number } from "./html.js";
import * as midi from "./midi.js";

/**
 * @param {import("./desk.js").Desk} desk
 * @param {(notes: import("./notes.js").Note[]) => void} onNotes
 * @returns {{open: HTMLElement, row: HTMLElement, forget: () => void}} the button that opens a file;
 *     the row that chooses of a long one; what hides that row
 */
export function pieceOpener(desk, onNotes) {
  const { root, settings, say, fault } = desk;
  let piece = null;
  const beat = number("First beat", [1, 1], (beat) => show(beat - 1));
  const said = el("span");
  const from = el("label", {}, "From beat ", beat);
  const chooser = el("input", {
    type: "file",
    accept: ".mid,.midi,audio/midi",
    hidden: true,
    onchange: () => {
      open(chooser.files[0]);
      chooser.value = "";
    },
  });
  const row = el("p", { class: "play-piece", hidden: true }, said, from);

  function show(first) {
    if (desk.busy) return;
    const { notes, outside } = midi.window16(piece, first);
    onNotes(notes);
    const words = [`${notes.length} notes from ${piece.name}.`];
    if (outside) words.push(`${outside} more lie below A1 or above E6 and were left out.`);
    if (piece.rounded) words.push("Times were rounded to sixteenths.");
    say(words.join(" "));
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
    row.hidden = piece.beats <= 16;
    said.textContent = `${file.name} has ${piece.beats} beats. The roll holds 16 of them.`;
    beat.max = Math.max(1, piece.beats - 15);
    beat.value = 1;
    show(0);
  }

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
  return {
    open: el(
      "span",
      {},
      button("Open a MIDI file…", () => chooser.click(), { class: "play-open" }),
      chooser,
    ),
    row,
    forget: () => (row.hidden = true),
  };
}
