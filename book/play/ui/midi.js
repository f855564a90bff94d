/**
 * MIDI files in and out. The npm package midi-file reads and writes the bytes.
 */

import { parseMidi, writeMidi } from "midi-file";
import { BEAT, COLUMNS, LOW, ROWS } from "./grid.js";
import { VOICES, drawn, joined, placed } from "./notes.js";

const PPQ = 480; // ticks of a beat in the files that we write
const DRUMS = 9; // the channel that has no pitches
const LARGEST = 4e6; // bytes

/** A fault of a file, in words for the reader. */
export class BadFile extends Error {}

/**
 * Read a file.
 *
 * @param {Uint8Array} bytes
 * @returns {{notes: {midi: number, start: number, end: number, voice: number | null}[],
 *     tempo: number, beats: number, rounded: boolean}} notes in columns from the first beat on
 */
export function read(bytes) {
  if (bytes.length > LARGEST) throw new BadFile("This file is larger than 4 MB.");
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "MThd") {
    throw new BadFile("This is not a MIDI file.");
  }
  let file;
  try {
    file = parseMidi(bytes);
  } catch {
    throw new BadFile("This MIDI file is broken.");
  }
  const { ticksPerBeat, ticksPerFrame } = file.header;
  if (ticksPerFrame) throw new BadFile("This MIDI file counts in film frames, not in beats.");
  if (!ticksPerBeat) throw new BadFile("This MIDI file is broken.");
  const columns = (tick) => (tick * BEAT) / ticksPerBeat;
  const found = file.tracks.flatMap((track) => pressed(track));
  if (!found.every(({ start, end, midi }) => [start, end, midi].every(Number.isFinite))) {
    throw new BadFile("This MIDI file is broken.");
  }
  if (!found.length) throw new BadFile("There are no notes in this MIDI file.");
  const notes = found.map(({ midi, start, end, voice }) => {
    const first = Math.round(columns(start));
    return { midi, voice, start: first, end: Math.max(first + 1, Math.round(columns(end))) };
  });
  const tempos = file.tracks.flat().filter(({ type }) => type === "setTempo");
  return {
    notes,
    tempo: tempos.length ? Math.round(60e6 / tempos[0].microsecondsPerBeat) : 120,
    beats: Math.ceil(Math.max(...notes.map(({ end }) => end)) / BEAT),
    rounded: found.some(({ start, end }) => columns(start) % 1 || columns(end) % 1),
  };
}

/** Every note of a track from key down to key up, in ticks. */
function pressed(track) {
  const names = track.filter(({ type }) => type === "trackName").map(({ text }) => text.trim());
  const place = VOICES.findIndex((voice) => names.includes(voice));
  const voice = place < 0 ? null : place;
  const [notes, down] = [[], new Map()];
  let tick = 0;
  for (const event of track) {
    tick += event.deltaTime;
    if (event.channel === DRUMS) continue;
    const key = `${event.channel} ${event.noteNumber}`;
    if (event.type === "noteOn") {
      if (down.has(key)) down.get(key).end = tick; // struck again
      const note = { midi: event.noteNumber, start: tick, end: null, voice };
      down.set(key, note);
      notes.push(note);
    } else if (event.type === "noteOff" && down.has(key)) {
      down.get(key).end = tick;
      down.delete(key);
    }
  }
  for (const note of down.values()) note.end = tick; // never let go
  return notes;
}

/**
 * The 16 beats of a file from a beat on, as the page's notes.
 *
 * @returns {{notes: import("./notes.js").Note[], outside: number}} and how many lie too high or low
 */
export function window16({ notes }, beat) {
  const first = beat * BEAT;
  const seen = notes.filter(({ start, end }) => end > first && start < first + COLUMNS);
  const inside = seen.filter(({ midi }) => LOW <= midi && midi < LOW + ROWS);
  return {
    notes: inside
      .map(({ midi, start, end, voice }) => {
        const [from, to] = [Math.max(start - first, 0), Math.min(end - first, COLUMNS)];
        return drawn(midi - LOW, from, to, voice);
      })
      .toSorted((a, b) => a.start - b.start)
      .reduce(besides, []),
    outside: seen.length - inside.length,
  };
}

/**
 * The notes with one more, that begins with the last of them or later. Voices may meet on one pitch.
 * Within a voice a note that is struck again goes on for as long as either of the two.
 */
function besides(notes, note) {
  const own = notes.filter(({ voice }) => voice === note.voice);
  const under = own.filter(({ row, end }) => row === note.row && end > note.end);
  const end = Math.max(note.end, ...under.map((other) => other.end));
  const others = notes.filter(({ voice }) => voice !== note.voice);
  return [...others, ...placed(own, { ...note, end })];
}

/**
 * Write a file of format 1: a track for each voice where the model told voices, one for all else.
 * A melody that is harmonized has a track of its own: where it has ended, the model sings on in its
 * voice.
 *
 * @param {import("./sheet.js").Page} page
 * @param {number} tempo beats a minute
 * @returns {Uint8Array}
 */
export function write({ notes, action }, tempo) {
  const whole = joined(notes);
  const melody = action === "harmonize" ? whole.filter(({ made }) => !made) : [];
  const of = (v) => whole.filter((note) => note.voice === v && !melody.includes(note));
  const parts = [
    ["Melody", melody],
    ...VOICES.map((name, v) => [name, of(v)]),
    ["Notes", of(null)],
  ].filter(([, part]) => part.length);
  const tracks = parts.map(([name, part], i) => asTrack(name, i, part));
  const head = [
    { deltaTime: 0, type: "setTempo", microsecondsPerBeat: Math.round(60e6 / tempo) },
    { deltaTime: 0, type: "timeSignature", ...FOUR_FOUR },
    { deltaTime: 0, type: "endOfTrack" },
  ];
  const header = { format: 1, numTracks: tracks.length + 1, ticksPerBeat: PPQ };
  return Uint8Array.from(writeMidi({ header, tracks: [head, ...tracks] }));
}

const FOUR_FOUR = { numerator: 4, denominator: 4, metronome: 24, thirtyseconds: 8 };

function asTrack(text, channel, notes) {
  const column = PPQ / BEAT;
  const events = notes
    .flatMap(({ row, start, end }) => [
      { tick: start * column, type: "noteOn", noteNumber: row + LOW, velocity: 80 },
      { tick: end * column, type: "noteOff", noteNumber: row + LOW, velocity: 0 },
    ])
    // What ends comes before what begins.
    .sort((a, b) => a.tick - b.tick || a.type.localeCompare(b.type));
  let last = 0;
  const timed = events.map(({ tick, ...event }) => {
    const deltaTime = tick - last;
    last = tick;
    return { deltaTime, channel, ...event };
  });
  return [
    { deltaTime: 0, type: "trackName", text },
    { deltaTime: 0, type: "programChange", channel, programNumber: 0 },
    ...timed,
    { deltaTime: COLUMNS * column - last, type: "endOfTrack" },
  ];
}
