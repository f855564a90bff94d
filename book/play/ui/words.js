/** The words of the page that are chosen from: actions, samplers, tools and keys. */

/** What is to be done: the name, the big button, and one line on it. */
export const ACTIONS = {
  harmonize: {
    text: "Harmonize",
    button: "Harmonize",
    line: "Your melody stays. The model writes what lies below it, and all voices where it rests.",
  },
  complete: {
    text: "Complete",
    button: "Complete",
    line: "Your beginning stays. The model writes how it goes on.",
  },
  infill: {
    text: "Infill",
    button: "Fill the hole",
    line: "Both sides stay. The model writes what lies between.",
  },
  vary: {
    text: "Vary",
    button: "Vary",
    line: "The model changes your notes; the strength says how many. To keep the tune, choose “May change: below the melody”.",
  },
  write: {
    text: "Write",
    button: "Write",
    line: "The model writes four bars from nothing.",
  },
};

/** How x_{t-1} is drawn, with one line on each. */
export const SAMPLERS = {
  refreshed: ["Refreshed (default)", "Bayes’ rule, but three cells in ten are drawn afresh."],
  posterior: ["Exact posterior", "Bayes’ rule in each step. What was wrong early may stay."],
  xor: ["XOR mask", "The paper’s Algorithm 1: part of the first noise is put back."],
  naive: ["Naive", "The guess is blurred afresh in each step. It forgets what it had."],
};

/** What a pointer does on the roll. */
export const TOOLS = {
  draw: { text: "Draw", title: "Draw, move and lengthen notes" },
  erase: { text: "Erase", title: "Erase notes" },
  free: { text: "Allow change", title: "Paint a rectangle that the model may change" },
  keep: { text: "Protect", title: "Paint a rectangle that stays as it is" },
  from: { text: "From here", title: "Click a place: the model may change all from there on" },
  between: { text: "Between", title: "Draw from one place to another: all between may change" },
};

/** What is free, by its rule, in the words of the page. */
export const FREE = {
  below: "May change: below the melody",
  after: "May change: after your notes",
  all: "May change: everything",
  none: "May change: nothing",
  from: "May change: from here on",
  between: "May change: between",
  painted: "May change: what you painted",
};

/** How long a new note is, in columns. */
export const LENGTHS = {
  1: "¼ beat",
  2: "½ beat",
  3: "¾ beat",
  4: "1 beat",
  6: "1½ beats",
  8: "2 beats",
  12: "3 beats",
  16: "4 beats",
};

/** Keys on the roll, and what they do. */
export const KEYS = [
  ["Arrows", "Move the cursor"],
  ["Page up, Page down", "An octave up or down"],
  [", and .", "A beat back or on"],
  ["Home, End", "The first or the last column"],
  ["Enter or Space", "Add a note, or remove the one that is there"],
  ["Shift + ← →", "Make the note shorter or longer"],
  ["Alt + arrows", "Move the note"],
  ["Delete", "Erase the note"],
  ["S", "Hear the pitch"],
  ["F, move, F", "Let a rectangle change (Escape cancels)"],
  ["K, move, K", "Protect a rectangle"],
  ["[", "All from the cursor on may change"],
  ["B", "All below the melody may change"],
  ["A", "Everything may change"],
  ["N", "Nothing may change"],
  ["G", "Go: do what the large button says"],
  ["P", "Play or pause (off the roll: Space)"],
  ["Ctrl + Z, Ctrl + Shift + Z", "Undo, redo"],
  ["+ and −", "Larger or smaller cells"],
  ["H", "Show this list"],
];

/** What mouse and fingers do on the roll. */
export const GESTURES =
  "Click to add a note, and draw to the right to make it longer. Take a note by an end to lengthen " +
  "it, or by its middle to move it. A click with the right button erases. On a phone, two fingers " +
  "move the roll. A click on the bars says where to play from. When the roll has the focus, these " +
  "keys work:";
