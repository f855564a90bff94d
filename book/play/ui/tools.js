/**
 * The row above the roll: what the pointer does, what is free, back and on, larger and smaller.
 */

import { beats } from "./grid.js";
import { ICONS, button, choice, choiceOf, el, group, iconButton } from "./html.js";
import { FREE, LENGTHS, TOOLS } from "./words.js";

/** Where Ctrl+Z belongs to what is typed. */
const TYPED = "input:not([type=range], [type=checkbox], [type=radio]), textarea";

/**
 * @param {object} desk what all parts of the page share: see desk.js
 * @returns {{element: HTMLElement, zoom: HTMLElement, letters: Record<string, () => void>}} the row,
 *     the buttons below the roll, and keys that do the same
 */
export function toolRow(desk) {
  const { sheet, view, hands, say } = desk;
  const useTool = (tool) => {
    tools.value = hands.tool = tool;
    say(`${TOOLS[tool].title}.`);
  };
  const tools = choice("What the pointer does", TOOLS, useTool);
  tools.value = hands.tool;

  const setFree = (kind) => {
    if (desk.busy) return show();
    sheet.change({ free: { kind } });
    say(`${FREE[kind]}.`);
  };
  const free = choiceOf("What may change", FREE, (kind) => {
    if (TOOLS[kind]) useTool(kind);
    else if (kind !== "painted") setFree(kind);
    show();
  });

  const length = choiceOf("Length of a new note", LENGTHS, (columns) => {
    hands.length = Number(columns);
  });
  const odd = el("option", { hidden: true }); // a length that was drawn and has no name
  length.append(odd);
  const back = (way, text) => {
    if (desk.busy) return;
    sheet[way]();
    say(text);
  };
  const undo = iconButton("Undo", ICONS.undo, () => back("undo", "One step back."));
  const redo = iconButton("Redo", ICONS.redo, () => back("redo", "One step forward again."));
  const zoom = (by) => {
    view.zoom(by);
    show();
  };
  const small = (text, name, by) =>
    button(text, () => zoom(by), { class: "play-icon", "aria-label": name, title: name });
  const larger = small("+", "Larger cells", 1);
  const smaller = small("−", "Smaller cells", -1);

  function show() {
    free.value = sheet.page.free.kind;
    if (!LENGTHS[hands.length]) {
      odd.value = hands.length;
      odd.textContent = beats(hands.length);
    }
    length.value = hands.length;
    undo.disabled = !sheet.canUndo;
    redo.disabled = !sheet.canRedo;
    larger.disabled = !view.canZoom.in;
    smaller.disabled = !view.canZoom.out;
  }
  sheet.addEventListener("change", show);
  show();

  document.addEventListener("keydown", (event) => {
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (!isUndo || event.target.matches?.(TYPED)) return;
    event.preventDefault();
    (event.shiftKey ? redo : undo).click();
  });

  const letters = {
    b: () => setFree("below"),
    a: () => setFree("all"),
    n: () => setFree("none"),
    "+": () => zoom(1),
    "-": () => zoom(-1),
  };
  const others = group("Notes", length, undo, redo);
  return {
    element: el("div", { class: "play-bar play-tools" }, tools.element, free, others),
    zoom: group("Size of the cells", smaller, larger),
    letters,
  };
}
