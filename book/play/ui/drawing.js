/**
 * How the roll is drawn: on the page, on a thumbnail and in a picture to keep.
 */

import { BAR, BEAT, COLUMNS, LOW, ROWS, SHAPE, TICKS, isBlack, noteName } from "./grid.js";

const COLOURS = {
  ink: ["--ink", "#24324a"],
  given: ["--given", "#0072b2"],
  made: ["--made", "#b54a00"],
  tint: ["--made-tint", "#fdf3e7"],
  line: ["--line", "#7d8798"],
  faint: ["--faint", "#dfe3ea"],
  paper: ["--pst-color-background", "#ffffff"],
  text: ["--pst-color-text-muted", "#56627a"],
};

/** The page's colours, as they are in its theme. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const colour = ([name, otherwise]) => style.getPropertyValue(name).trim() || otherwise;
  return Object.fromEntries(Object.entries(COLOURS).map(([key, value]) => [key, colour(value)]));
}

/**
 * Draw the cells.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {object} look
 * @param {number} look.width of a column, in pixels
 * @param {number} look.height of a row
 * @param {ReturnType<typeof palette>} look.colours
 * @param {import("./notes.js").Note[]} look.notes
 * @param {Uint8Array} look.free
 * @param {Float32Array | null} [look.x_t] what emerges in the free cells, instead of their notes
 */
export function drawRoll(context, { width, height, colours, notes, free, x_t = null }) {
  const [wide, high] = [COLUMNS * width, ROWS * height];
  const top = (row) => (ROWS - 1 - row) * height;
  const fill = (colour, x, y, w, h) => {
    context.fillStyle = colour;
    context.fillRect(x, y, w, h);
  };
  fill(colours.paper, 0, 0, wide, high);
  for (const [row, start, end] of runs((i) => free[i], COLUMNS)) {
    fill(colours.tint, start * width, top(row), (end - start) * width, height);
  }
  context.globalAlpha = 0.05;
  for (let row = 0; row < ROWS; row++) {
    if (isBlack(row + LOW)) fill(colours.ink, 0, top(row), wide, height);
  }
  context.globalAlpha = 1;
  for (let row = 0; row < ROWS; row++) {
    if ((row + LOW) % 12 === 0) fill(colours.faint, 0, top(row) + height - 1, wide, 1);
  }
  for (let column = BEAT; column < COLUMNS; column += BEAT) {
    context.globalAlpha = column % BAR ? 1 : 0.7;
    fill(column % BAR ? colours.faint : colours.line, Math.round(column * width), 0, 1, high);
  }
  context.globalAlpha = 0.45;
  drawEdges(context, { width, height, top, colour: colours.made, free });
  context.globalAlpha = 1;
  const shown = x_t ? notes.filter((note) => !free[note.row * COLUMNS + note.start]) : notes;
  for (const note of shown) drawNote(context, note, { width, height, top, colours });
  if (!x_t) return;
  context.globalAlpha = 0.8;
  const tick = width / TICKS;
  for (const [row, start, end] of runs((i) => x_t[i] && free[Math.floor(i / TICKS)], SHAPE[2])) {
    fill(colours.made, start * tick, top(row) + 0.5, (end - start) * tick, height - 1);
  }
  context.globalAlpha = 1;
}

function drawNote(context, { row, start, end, made }, { width, height, top, colours }) {
  const [x, y, w] = [start * width, top(row), (end - start) * width];
  context.fillStyle = made ? colours.made : colours.given;
  context.beginPath();
  context.roundRect(x + 0.5, y + 0.5, Math.max(w - 1, 1), Math.max(height - 1, 1), height / 5);
  context.fill();
  if (height < 12 || w < 24) return;
  context.fillStyle = colours.paper;
  context.font = `600 ${Math.min(height - 3, 13)}px "Source Sans 3", sans-serif`;
  context.textBaseline = "middle";
  context.fillText(noteName(row + LOW), x + 4, y + height / 2 + 0.5);
}

/** A line wherever what is free meets what is known. */
function drawEdges(context, { width, height, top, colour, free }) {
  context.fillStyle = colour;
  const at = (row, column) => free[row * COLUMNS + column];
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      if (column && at(row, column) !== at(row, column - 1)) {
        context.fillRect(Math.round(column * width), top(row), 1, height);
      }
      if (row && at(row, column) !== at(row - 1, column)) {
        context.fillRect(column * width, top(row - 1), width, 1);
      }
    }
  }
}

/** Cells of a kind that lie side by side, in rows of a length, as [row, start, end]. */
function* runs(isLit, length) {
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < length; column++) {
      const start = column;
      while (column < length && isLit(row * length + column)) column++;
      if (column > start) yield [row, start, column];
    }
  }
}

/** The keyboard at the left, `wide` pixels. */
export function drawKeys(context, { wide, height, colours, pressed }) {
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, wide, ROWS * height);
  context.textBaseline = "middle";
  for (let row = 0; row < ROWS; row++) {
    const [midi, y] = [row + LOW, (ROWS - 1 - row) * height];
    if (isBlack(midi)) {
      context.fillStyle = row === pressed ? colours.given : colours.ink;
      context.globalAlpha = row === pressed ? 1 : 0.75;
      context.fillRect(0, y, wide * 0.58, height - 1);
      context.globalAlpha = 1;
    } else if (row === pressed) {
      context.fillStyle = colours.given;
      context.fillRect(0, y, wide, height - 1);
    }
    if (midi % 12 === 0 || midi % 12 === 5) {
      context.fillStyle = colours.faint;
      context.fillRect(0, y + height - 1, wide, 1);
    }
    const named = midi % 12 === 0 || (height >= 13 && !isBlack(midi));
    if (!named) continue;
    context.fillStyle = row === pressed ? colours.paper : colours.text;
    context.font = `${midi % 12 ? 400 : 600} ${Math.max(Math.min(height - 2, 12), 10)}px "Source Sans 3", sans-serif`;
    context.textAlign = "right";
    context.fillText(noteName(midi), wide - 4, y + height / 2);
  }
}

/** Bars and beats along the top, `high` pixels. */
export function drawRuler(context, { width, high, colours }) {
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, COLUMNS * width, high);
  context.textBaseline = "middle";
  for (let column = 0; column < COLUMNS; column += BEAT) {
    const x = column * width;
    const bar = column % BAR === 0;
    context.fillStyle = bar ? colours.line : colours.faint;
    context.fillRect(Math.round(x), bar ? 4 : high - 8, 1, high);
    context.fillStyle = bar ? colours.ink : colours.text;
    context.font = `${bar ? 600 : 400} 12px "Source Sans 3", sans-serif`;
    const beat = (column % BAR) / BEAT + 1;
    const text = bar ? `Bar ${column / BAR + 1}` : String(beat);
    if (bar || width * BEAT > 24) context.fillText(text, x + 5, high / 2);
  }
}

const LARGEST = 12e6; // pixels: phones draw no larger canvas

/** A canvas of some pixels of the page, as sharp as the screen. */
export function prepare(canvas, wide, high, sharp = window.devicePixelRatio || 1) {
  const ratio = Math.min(sharp, Math.sqrt(LARGEST / (wide * high)));
  const [w, h] = [Math.round(wide * ratio), Math.round(high * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    Object.assign(canvas, { width: w, height: h });
    Object.assign(canvas.style, { width: `${wide}px`, height: `${high}px` });
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.textAlign = "left";
  return context;
}

/** The whole roll as a PNG file. */
export function picture(look) {
  const [width, height, wide, high] = [20, 14, 48, 26];
  const canvas = document.createElement("canvas");
  const context = prepare(canvas, wide + COLUMNS * width, high + ROWS * height, 2);
  context.fillStyle = look.colours.paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  const part = (x, y, draw) => {
    context.save();
    context.translate(x, y);
    draw(context);
    context.restore();
  };
  const { colours } = look;
  part(wide, 0, () => drawRuler(context, { width, high, colours }));
  part(0, high, () => drawKeys(context, { wide, height, colours, pressed: null }));
  part(wide, high, () => drawRoll(context, { ...look, width, height }));
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
