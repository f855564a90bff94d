/** Elements, as the page's modules make them. */

import { clamp } from "./grid.js";

/**
 * @param {string} tag
 * @param {object} attributes those that begin with `on` are listeners; true is an empty attribute,
 *     false and null are none
 * @param {...(Node | string)} children
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** A button with a name. */
export const button = (text, onclick, attributes = {}) =>
  el("button", { type: "button", onclick, ...attributes }, text);

let count = 0;

/**
 * One of several, as a row of radio buttons.
 *
 * @param {string} legend what is chosen, for those who hear it
 * @param {Record<string, {text: string, title?: string}>} options by their values
 * @param {(value: string) => void} onChange
 * @returns {{element: HTMLElement, value: string}} set `value` to choose
 */
export function choice(legend, options, onChange) {
  const name = `play-choice-${count++}`;
  const inputs = Object.keys(options).map((value) =>
    el("input", { type: "radio", name, value, onchange: () => onChange(value) }),
  );
  const labels = Object.values(options).map(({ text, title = null }, i) =>
    el("label", { title }, inputs[i], el("span", {}, text)),
  );
  const element = el(
    "fieldset",
    { class: "play-choice" },
    el("legend", { class: "play-unseen" }, legend),
    ...labels,
  );
  return {
    element,
    get value() {
      return inputs.find((input) => input.checked)?.value;
    },
    set value(value) {
      for (const input of inputs) input.checked = input.value === value;
    },
  };
}

/** One of several, as a list that opens. */
export const choiceOf = (name, options, onChange) =>
  el(
    "select",
    { "aria-label": name, onchange: (event) => onChange(event.target.value) },
    ...Object.entries(options).map(([value, text]) => el("option", { value }, text)),
  );

/** A whole number from `low` to `high`; what is no number, or too large, is mended. */
export const number = (name, [low, high], onChange) =>
  el("input", {
    type: "number",
    inputmode: "numeric",
    min: low,
    max: high,
    "aria-label": name,
    onchange: ({ target }) => {
      const { min, max, value, valueAsNumber } = target;
      if (value !== "" && Number.isFinite(valueAsNumber)) {
        target.value = clamp(Math.round(valueAsNumber), Number(min), Number(max));
        onChange(target.valueAsNumber);
      }
    },
  });

/**
 * A slider with its name and its value in words.
 *
 * @param {string} name
 * @param {{min: number, max: number, step?: number}} range
 * @param {(value: number) => void} onInput
 * @returns {{element: HTMLElement, input: HTMLInputElement, show: (value: number, text: string) => void}}
 */
export function slider(name, range, onInput) {
  const input = el("input", {
    type: "range",
    ...range,
    oninput: () => onInput(input.valueAsNumber),
  });
  const said = el("span");
  const element = el("label", { class: "play-slider" }, el("span", {}, name), input, said);
  const show = (value, text) => {
    input.value = value;
    said.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  return { element, input, show };
}

/** A box to tick, with its words. */
export function check(text, onChange) {
  const input = el("input", { type: "checkbox", onchange: () => onChange(input.checked) });
  return { input, element: el("label", { class: "play-check" }, input, text) };
}

/** Words before what they name. */
export const field = (text, ...inputs) =>
  el("div", { class: "play-field" }, el("span", {}, text), ...inputs);

/** Buttons that belong together. */
export const group = (name, ...children) =>
  el("div", { class: "play-group", role: "group", "aria-label": name }, ...children);

/** What the colours mean. */
export const legend = () =>
  el(
    "p",
    { class: "play-legend" },
    el("span", { class: "play-yours" }, "yours"),
    el("span", { class: "play-models" }, "the model’s"),
    el("span", { class: "play-open-cells" }, "may change"),
  );

/** A drawing of 24 x 24 for a button; its name is said by the button. */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

/** A button that shows a drawing and says its name. */
export const iconButton = (name, path, onclick) =>
  el(
    "button",
    { type: "button", class: "play-icon", title: name, "aria-label": name, onclick },
    icon(path),
  );

export const ICONS = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M6 4.5h4.5v15H6zM13.5 4.5H18v15h-4.5z",
  undo: "M9.5 4 4 9.5 9.5 15v-4H14a4 4 0 0 1 0 8h-3v2h3a6 6 0 0 0 0-12H9.5z",
  redo: "M14.5 4 20 9.5 14.5 15v-4H10a4 4 0 0 0 0 8h3v2h-3a6 6 0 0 1 0-12h4.5z",
  dice: "M5 3h14a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm3 3.3a1.7 1.7 0 1 0 0 3.4 1.7 1.7 0 0 0 0-3.4zm8 0a1.7 1.7 0 1 0 0 3.4 1.7 1.7 0 0 0 0-3.4zm-4 4a1.7 1.7 0 1 0 0 3.4 1.7 1.7 0 0 0 0-3.4zm-4 4a1.7 1.7 0 1 0 0 3.4 1.7 1.7 0 0 0 0-3.4zm8 0a1.7 1.7 0 1 0 0 3.4 1.7 1.7 0 0 0 0-3.4z",
};
