/**
 * What is folded below: the keys, and the notes as a table for those who do not see the roll.
 */

import { LOW, beats, noteName, placeName } from "./grid.js";
import { el } from "./html.js";
import { VOICES } from "./notes.js";
import { GESTURES, KEYS } from "./words.js";

/** The keys and gestures. */
export const helpPanel = () =>
  el(
    "details",
    {},
    el("summary", {}, "Keys and gestures"),
    el("p", {}, GESTURES),
    el(
      "dl",
      { class: "play-help" },
      ...KEYS.flatMap(([key, what]) => [el("dt", {}, key), el("dd", {}, what)]),
    ),
  );

const VOICE = "Voice";
const COLUMNS = ["Note", "Begins", "Length", VOICE, "By"];

/** @param {import("./sheet.js").Sheet} sheet */
export function tablePanel(sheet) {
  const rows = el("tbody");
  const head = el("tr");
  const table = el("table", { class: "play-table" }, el("thead", {}, head), rows);
  const element = el("details", {}, el("summary", {}, "The notes as a table"), table);
  const show = () => {
    if (!element.open) return;
    const sorted = sheet.page.notes.toSorted((a, b) => a.start - b.start || b.row - a.row);
    // Of notes that were only drawn nobody knows the voices.
    const sung = sorted.some(({ voice }) => voice !== null);
    const names = COLUMNS.filter((name) => sung || name !== VOICE);
    head.replaceChildren(...names.map((name) => el("th", { scope: "col" }, name)));
    rows.replaceChildren(...sorted.map((note) => asRow(note, names)));
  };
  element.addEventListener("toggle", show);
  sheet.addEventListener("change", show);
  return element;
}

function asRow({ row, start, end, voice, made }, names) {
  const words = {
    Note: noteName(row + LOW),
    Begins: placeName(start),
    Length: beats(end - start),
    [VOICE]: VOICES[voice] ?? "none",
    By: made ? "the model" : "you",
  };
  return el("tr", {}, ...names.map((name) => el("td", {}, words[name])));
}
