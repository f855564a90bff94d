/**
 * The page Play: puts its parts together.
 */

import "./page.css";
import { palette, picture } from "./drawing.js";
import { DEFAULTS, freeCells } from "./free.js";
import { BEAT, COLUMNS, LOW, ROWS, beats, clamp, noteName, placeName } from "./grid.js";
import { Hands } from "./hands.js";
import { ICONS, button, choice, el, icon } from "./html.js";
import * as keyboards from "./keyboards.js";
import * as link from "./link.js";
import * as midi from "./midi.js";
import { VOICES } from "./notes.js";
import { Player } from "./player.js";
import { PRESETS } from "./presets.js";
import { RollView } from "./roll.js";
import { download, wav } from "./save.js";
import { Sheet } from "./sheet.js";
import { Takes } from "./takes.js";
import { ACTIONS, FREE, KEYS, LENGTHS, SAMPLERS, TOOLS } from "./words.js";
import { Writing } from "./writing.js";

const BOOK = new URL("..", document.currentScript.src); // this script lies in the book's play/

const pageOf = ({ notes, action }) => ({ notes, action, free: DEFAULTS[action](notes) });

const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;

/** Let the page live in an element. */
function begin(root) {
  const sheet = new Sheet(pageOf(PRESETS.melody));
  const settings = {
    strength: 0.5,
    steps: 20,
    sampler: "refreshed",
    seed: randomSeed(),
    fresh: true, // a new seed each time
    tempo: 96,
  };
  const writing = new Writing(BOOK);
  const view = new RollView(sheet);
  const takes = new Takes((page) => {
    sheet.change(page);
    say("This take is on the roll again.");
  });
  const player = new Player(
    () => sheet.page.notes,
    (playing) => {
      root.dataset.playing = playing;
      playButton.replaceChildren(icon(playing ? ICONS.pause : ICONS.play), playing ? "Pause" : "Play");
      if (playing) follow();
    },
  );

  // --- what is said ------------------------------------------------------------------------------

  const status = el("p", { class: "play-status", role: "status", "aria-live": "polite" });
  const say = (text) => {
    status.textContent = text;
    status.classList.remove("play-fault");
  };
  const fault = (text) => {
    status.textContent = text;
    status.classList.add("play-fault");
  };

  // --- what to do --------------------------------------------------------------------------------

  const act = (action) => {
    sheet.change({ action, free: DEFAULTS[action](sheet.page.notes) });
    say(ACTIONS[action].line);
  };
  const actions = choice("What the model shall do", ACTIONS, act);
  const line = el("p", { class: "play-line" });
  const goText = el("span");
  const go = el("button", { type: "button", class: "play-go", onclick: () => run() }, goText);
  const hint = el("p", { class: "play-quiet play-hint" });
  const strength = el("input", {
    type: "range",
    min: "5",
    max: "100",
    step: "5",
    oninput: () => {
      settings.strength = strength.valueAsNumber / 100;
      showSettings();
    },
  });
  const strengthSaid = el("output");
  const strengthRow = el(
    "label",
    { class: "play-strength" },
    el("span", {}, "Strength"),
    strength,
    strengthSaid,
  );

  let work = null; // {stopped} while the model is loaded or writes

  const showGo = (text, share = null) => {
    goText.textContent = text;
    go.classList.toggle("play-busy", share !== null);
    go.style.setProperty("--share", share ?? 0);
  };
  const showIdle = () => {
    root.dataset.busy = false;
    hands.locked = false;
    showGo(ACTIONS[sheet.page.action].button);
    hint.textContent = writing.loaded ? "" : "The first time, this loads 17 MB.";
  };

  /** Load the model if need be. @returns whether it is there */
  async function load() {
    if (writing.loaded) return true;
    const progress = (share) => {
      if (work) showGo(`Loading the model: ${Math.round(100 * share)} %`, share);
    };
    progress(0);
    say("The model is being loaded, once.");
    try {
      await writing.load(progress);
      return true;
    } catch {
      fault("The model could not be loaded. Is the whole book there, and the network up?");
      return false;
    }
  }

  /** What is missing, in words; null if all is there. */
  function missing({ notes, action }, cells) {
    if (!notes.length && action === "harmonize") return "Draw a melody first.";
    if (!notes.length && action === "vary") return "There is nothing to vary yet.";
    if (!cells.includes(1)) return "Nothing is free. Say first what the model may write.";
    return null;
  }

  /** What the large button does: write, or stop. */
  async function run() {
    if (work) return stop();
    const { page } = sheet;
    const cells = freeCells(page.free, page.notes);
    const lacks = missing(page, cells);
    if (lacks) return fault(lacks);
    player.wake();
    player.pause();
    const job = (work = { stopped: false });
    root.dataset.busy = true;
    hands.locked = true;
    try {
      if (!(await load()) || job.stopped) return;
      if (settings.fresh) settings.seed = randomSeed();
      showSettings();
      await write(page, cells, job);
    } catch (error) {
      fault(`The model could not write this: ${error.message}`);
    } finally {
      work = null;
      view.x_t = null;
      showIdle();
      view.draw();
    }
  }

  async function write(page, cells, job) {
    const { seed, steps, sampler } = settings;
    const strength = page.action === "vary" ? settings.strength : 1;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let count = null;
    say("The model writes.");
    const notes = await writing.write(page.notes, cells, { seed, steps, sampler, strength }, (step) => {
      if (job.stopped) return;
      count ??= step.t;
      showGo(`Stop (step ${count - step.t + 1} of ${count})`, 1 - step.t / count);
      if (still) return;
      view.x_t = step.x_t;
      view.draw();
    });
    if (!notes || job.stopped) return say("Stopped. Your notes are as they were.");
    if (page.notes.length && !takes.has(page.notes)) takes.add(page, "Yours");
    sheet.change({ notes });
    takes.add(sheet.page);
    takes.mark(notes);
    const made = notes.filter((note) => note.made).length;
    say(`${made} notes written with seed ${seed}. Press again for another take.`);
    if (!autoplay.checked) return;
    player.place = 0;
    player.play();
  }

  function stop() {
    work.stopped = true;
    writing.stop();
    say("Stopped. Your notes are as they were.");
  }

  // --- settings ----------------------------------------------------------------------------------

  const number = (name, attributes, store) =>
    el("input", {
      type: "number",
      inputmode: "numeric",
      ...attributes,
      onchange: (event) => {
        const { min, max, valueAsNumber } = event.target;
        if (Number.isFinite(valueAsNumber)) {
          store(clamp(Math.round(valueAsNumber), Number(min), Number(max)));
        }
        showSettings();
      },
      "aria-label": name,
    });
  const seed = number("Seed", { min: 0, max: 2 ** 32 - 1 }, (value) => {
    settings.seed = value;
    settings.fresh = false;
  });
  const steps = number("Calls of the network", { min: 1, max: 500 }, (value) => {
    settings.steps = value;
  });
  const tempo = number("Tempo, beats a minute", { min: 30, max: 240 }, (value) => {
    settings.tempo = player.tempo = value;
  });
  const dice = el(
    "button",
    {
      type: "button",
      class: "play-icon",
      "aria-label": "Another seed",
      title: "Another seed",
      onclick: () => {
        settings.seed = randomSeed();
        showSettings();
      },
    },
    icon(ICONS.dice),
  );
  const fresh = el("input", {
    type: "checkbox",
    onchange: () => {
      settings.fresh = fresh.checked;
    },
  });
  const autoplay = el("input", { type: "checkbox", checked: true });
  const sampler = el(
    "select",
    {
      onchange: () => {
        settings.sampler = sampler.value;
        showSettings();
      },
    },
    ...Object.entries(SAMPLERS).map(([value, [text]]) => el("option", { value }, text)),
  );
  const samplerLine = el("p", { class: "play-quiet" });

  function showSettings() {
    strength.value = Math.round(100 * settings.strength);
    strengthSaid.textContent = `${Math.round(100 * settings.strength)} %`;
    seed.value = settings.seed;
    fresh.checked = settings.fresh;
    steps.value = settings.steps;
    sampler.value = settings.sampler;
    samplerLine.textContent = SAMPLERS[settings.sampler][1];
    tempo.value = player.tempo = settings.tempo;
  }

  // --- the roll ----------------------------------------------------------------------------------

  const tools = choice("What the pointer does", TOOLS, (tool) => useTool(tool));
  tools.value = "draw";
  const setFree = (kind) => {
    if (work) return;
    sheet.change({ free: { kind } });
    say(`${FREE[kind]}.`);
  };
  const free = el(
    "select",
    {
      "aria-label": "What is free",
      onchange: () => {
        if (free.value === "from" || free.value === "between") useTool(free.value);
        else setFree(free.value);
        showFree();
      },
    },
    ...Object.entries(FREE).map(([value, text]) => el("option", { value }, text)),
  );
  const showFree = () => {
    free.value = sheet.page.free.kind;
  };
  const useTool = (tool) => {
    tools.value = hands.tool = tool;
    say(`${TOOLS[tool].title}.`);
  };
  const length = el(
    "select",
    {
      "aria-label": "Length of a new note",
      onchange: () => {
        hands.length = Number(length.value);
      },
    },
    ...Object.entries(LENGTHS).map(([value, text]) => el("option", { value }, text)),
  );
  const toggleHelp = () => {
    help.open = !help.open;
    if (help.open) help.scrollIntoView({ block: "nearest" });
  };
  const zoom = (by) => {
    view.zoom(by);
    showZoom();
  };
  const letters = {
    b: () => setFree("below"),
    a: () => setFree("all"),
    n: () => setFree("none"),
    p: () => playOrPause(),
    g: () => run(),
    h: toggleHelp,
    "+": () => zoom(1),
    "-": () => zoom(-1),
  };
  const hands = new Hands(view, sheet, {
    onSound: (row) => player.sound(row),
    onSay: say,
    onPlace: (column) => {
      player.place = column;
      view.moveCursor(view.cursor.row, column);
      view.showHead(player.place);
      say(`Play from ${placeName(column)}.`);
    },
    onKey: (key) => {
      letters[key]?.();
      return key in letters;
    },
  });
  const iconButton = (name, path, onclick) =>
    el(
      "button",
      { type: "button", class: "play-icon", title: name, "aria-label": name, onclick },
      icon(path),
    );
  const undo = iconButton("Undo", ICONS.undo, () => back("undo"));
  const redo = iconButton("Redo", ICONS.redo, () => back("redo"));
  const back = (way) => {
    if (work) return;
    sheet[way]();
    say(way === "undo" ? "One step back." : "One step on again.");
  };
  const larger = button("+", () => zoom(1), { class: "play-icon", "aria-label": "Larger cells" });
  const smaller = button("−", () => zoom(-1), { class: "play-icon", "aria-label": "Smaller cells" });
  const showZoom = () => {
    larger.disabled = !view.canZoom.in;
    smaller.disabled = !view.canZoom.out;
  };

  // --- playing -----------------------------------------------------------------------------------

  const playOrPause = () => (player.playing ? player.pause() : player.play());
  const playButton = el("button", { type: "button", class: "play-sound", onclick: playOrPause });
  const loop = el("input", {
    type: "checkbox",
    onchange: () => {
      player.loop = loop.checked;
    },
  });
  function follow() {
    view.showHead(player.place, true);
    if (player.playing) requestAnimationFrame(follow);
    else view.showHead(player.place);
  }

  // --- files -------------------------------------------------------------------------------------

  let piece = null; // the file that was opened
  const offset = number("First beat", { min: 1, max: 1 }, (beat) => show(beat - 1));
  const pieceSaid = el("span");
  const pieceRow = el("p", { class: "play-piece", hidden: true }, pieceSaid, el("label", {}, "From beat ", offset));

  function show(beat) {
    const { notes, outside } = midi.window16(piece, beat);
    offset.value = beat + 1;
    const action = notes.some(({ voice }) => voice !== null) ? "vary" : "harmonize";
    sheet.change(pageOf({ notes, action }));
    view.showTop(notes);
    const said = [`${notes.length} notes from ${piece.name}.`];
    if (outside) said.push(`${outside} more lie below A1 or above E6 and were left out.`);
    if (piece.rounded) said.push("Times were rounded to sixteenths.");
    say(said.join(" "));
  }

  async function open(file) {
    if (!file || work) return;
    try {
      piece = midi.read(new Uint8Array(await file.arrayBuffer()));
    } catch (error) {
      if (!(error instanceof midi.BadFile)) throw error;
      return fault(error.message);
    }
    piece.name = file.name;
    settings.tempo = clamp(piece.tempo, 30, 240);
    showSettings();
    offset.max = Math.max(1, piece.beats - 15);
    pieceRow.hidden = piece.beats <= 16;
    pieceSaid.textContent = `${file.name} has ${piece.beats} beats. The roll holds 16 of them.`;
    show(0);
  }

  const chooser = el("input", {
    type: "file",
    accept: ".mid,.midi,audio/midi",
    class: "play-unseen",
    tabindex: "-1",
    "aria-hidden": "true",
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

  const saved = (kind) => `binolab-${settings.seed}.${kind}`;
  const saves = {
    MIDI: () => download(midi.write(sheet.page.notes, settings.tempo), "audio/midi", saved("mid")),
    WAV: async () => download(await wav(sheet.page.notes, settings.tempo), "audio/wav", saved("wav")),
    Picture: async () => {
      const { notes, free } = sheet.page;
      const look = { colours: palette(), notes, free: freeCells(free, notes) };
      download(await picture(look), "image/png", saved("png"));
    },
  };
  const save = async (name) => {
    if (!sheet.page.notes.length) return fault("There are no notes to save yet.");
    await saves[name]();
    say(`${name} saved.`);
  };
  const share = async () => {
    history.replaceState(null, "", link.encode(sheet.page, settings));
    try {
      await navigator.clipboard.writeText(location.href);
      say("The link is copied. It holds the notes, what is free, and the settings.");
    } catch {
      say("The link is in the address line. It holds the notes, what is free, and the settings.");
    }
  };

  async function listen() {
    try {
      const names = await keyboards.listen(
        (rows) => {
          if (!work) hands.put(rows);
        },
        () => hands.advance(),
      );
      say(names.length ? `${names.join(", ")}: play, and notes come at the cursor.` : "No keyboard is plugged in yet.");
    } catch {
      fault("The browser did not let the page hear a MIDI keyboard.");
    }
  }

  // --- the notes for those who do not see them ---------------------------------------------------

  const rows = el("tbody");
  const table = el(
    "table",
    { class: "play-table" },
    el("thead", {}, el("tr", {}, ...["Note", "Begins", "Length", "Voice", "By"].map((t) => el("th", { scope: "col" }, t)))),
    rows,
  );
  const tableBox = el("details", {}, el("summary", {}, "The notes as a table"), table);
  tableBox.addEventListener("toggle", () => showTable());
  function showTable() {
    if (!tableBox.open) return;
    const sorted = sheet.page.notes.toSorted((a, b) => a.start - b.start || b.row - a.row);
    rows.replaceChildren(
      ...sorted.map(({ row, start, end, voice, made }) => {
        const words = [
          noteName(row + LOW),
          placeName(start),
          beats(end - start),
          VOICES[voice] ?? "",
          made ? "the model" : "you",
        ];
        return el("tr", {}, ...words.map((word) => el("td", {}, word)));
      }),
    );
  }

  const help = el(
    "details",
    {},
    el("summary", {}, "Keys and gestures"),
    el(
      "p",
      {},
      "Click to add a note, and draw to the right to make it longer. Take a note by an end to " +
        "lengthen it, or by its middle to move it. A click on the right button erases. On a phone, " +
        "two fingers move the roll. A click on the bars says where to play from. When the roll has " +
        "the focus, these keys work:",
    ),
    el(
      "dl",
      { class: "play-help" },
      ...KEYS.flatMap(([key, what]) => [el("dt", {}, key), el("dd", {}, what)]),
    ),
  );

  // --- the page ----------------------------------------------------------------------------------

  const group = (name, ...children) =>
    el("div", { class: "play-group", role: "group", "aria-label": name }, ...children);
  const presets = Object.values(PRESETS).map((preset) =>
    button(preset.text, () => {
      if (work) return;
      piece = null;
      pieceRow.hidden = true;
      sheet.change(pageOf(preset));
      view.showTop(preset.notes);
      say(ACTIONS[preset.action].line);
    }),
  );
  const openButton = button("Open a MIDI file…", () => chooser.click(), { class: "play-open" });
  const keyboard = keyboards.canListen() ? [button("MIDI keyboard", listen)] : [];
  const check = (input, text) => el("label", { class: "play-check" }, input, text);
  const field = (text, ...inputs) => el("div", { class: "play-field" }, el("span", {}, text), ...inputs);

  root.replaceChildren(
    el(
      "div",
      { class: "play-bar play-start" },
      group("Begin with", el("span", { class: "play-name" }, "Begin with"), ...presets, openButton, ...keyboard),
      chooser,
    ),
    pieceRow,
    el(
      "div",
      { class: "play-do" },
      el("div", { class: "play-what" }, actions.element, line),
      strengthRow,
      el("div", { class: "play-now" }, go, hint),
    ),
    el(
      "div",
      { class: "play-bar play-tools" },
      tools.element,
      free,
      group("Notes", length, undo, redo, smaller, larger),
    ),
    view.element,
    el(
      "div",
      { class: "play-said" },
      status,
      el(
        "p",
        { class: "play-legend" },
        el("span", { class: "play-yours" }, "yours"),
        el("span", { class: "play-models" }, "the model’s"),
        el("span", { class: "play-open-cells" }, "free"),
      ),
    ),
    el(
      "div",
      { class: "play-bar play-after" },
      group("Playing", playButton, field("Tempo", tempo), check(loop, "Loop")),
      group("Save", el("span", { class: "play-name" }, "Save"), ...Object.keys(saves).map((name) => button(name, () => save(name))), button("Link", share)),
    ),
    takes.element,
    el(
      "details",
      { class: "play-settings" },
      el("summary", {}, "Seed, calls and sampler"),
      el(
        "div",
        { class: "play-fields" },
        field("Seed", seed, dice),
        check(fresh, "A new seed each time"),
        field("Calls of the network", steps),
        field("Sampler", sampler),
        check(autoplay, "Play what was written"),
      ),
      samplerLine,
    ),
    help,
    tableBox,
  );
  sampler.setAttribute("aria-label", "Sampler");

  sheet.addEventListener("change", () => {
    const { action, notes } = sheet.page;
    actions.value = action;
    line.textContent = ACTIONS[action].line;
    strengthRow.classList.toggle("play-off", action !== "vary");
    strength.disabled = action !== "vary";
    undo.disabled = !sheet.canUndo;
    redo.disabled = !sheet.canRedo;
    length.value = hands.length; // no line where the length has no name
    takes.mark(notes);
    showFree();
    showTable();
    if (!work) showIdle();
  });
  document.addEventListener("keydown", (event) => {
    const within = event.target.closest?.("input, select, textarea, button, summary, a, [role=application]");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      if (within?.matches("input[type=number], textarea")) return;
      event.preventDefault();
      back(event.shiftKey ? "redo" : "undo");
    } else if (event.key === " " && !within) {
      event.preventDefault();
      playOrPause();
    }
  });

  function followLink() {
    let found = null;
    try {
      found = link.decode(location.hash);
    } catch {
      fault("This link is broken. Here is the page without it.");
    }
    if (!found) return;
    Object.assign(settings, found.settings, { fresh: false });
    showSettings();
    sheet.change(found.page);
    view.showTop(found.page.notes);
    say("This is what the link holds.");
  }
  window.addEventListener("hashchange", followLink);

  showSettings();
  showZoom();
  player.onChange(false);
  sheet.dispatchEvent(new Event("change"));
  say("Draw a tune, or begin with this one.");
  requestAnimationFrame(() => view.showTop(sheet.page.notes));
  followLink();
  return { sheet, settings, view, player };
}

const root = document.getElementById("desk");
root.parts = begin(root); // for tests and measurements
