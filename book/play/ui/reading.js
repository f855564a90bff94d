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

const COLUMNS = ["Note", "Begins", "Length", "Voice", "By"];

/** @param {import("./sheet.js").Sheet} sheet */
export function tablePanel(sheet) {
  const rows = el("tbody");
  const head = el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name)));
  const table = el("table", { class: "play-table" }, el("thead", {}, head), rows);
  const element = el("details", {}, el("summary", {}, "The notes as a table"), table);
  const show = () => {
    if (!element.open) return;
    const sorted = sheet.page.notes.toSorted((a, b) => a.start - b.start || b.row - a.row);
    rows.replaceChildren(...sorted.map((note) => asRow(note)));
  };
  element.addEventListener("toggle", show);
  sheet.addEventListener("change", show);
  return element;
}

function asRow({ row, start, end, voice, made }) {
  const words = [
    noteName(row + LOW),
    placeName(start),
    beats(end - start),
    VOICES[voice] ?? "",
    made ? "the model" : "you",
  ];
  return el("tr", {}, ...words.map((word) => el("td", {}, word)));
}
