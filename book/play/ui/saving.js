/**
 * What the reader takes along: a MIDI file, a sound, a picture, a link.
 */

import { palette, picture } from "./drawing.js";
import { freeCells } from "./free.js";
import { button, el, group } from "./html.js";
import * as link from "./link.js";
import * as midi from "./midi.js";
import { wav } from "./wav.js";

/**
 * @param {object} desk what all parts of the page share: see desk.js
 * @returns {HTMLElement}
 */
export function savingRow({ sheet, settings, say, fault }) {
  const kinds = {
    MIDI: ["mid", "audio/midi", (page) => midi.write(page, settings.now.tempo)],
    WAV: ["wav", "audio/wav", ({ notes }) => wav(notes, settings.now.tempo)],
    Picture: [
      "png",
      "image/png",
      ({ notes, free }) => picture({ colours: palette(), notes, free: freeCells(free, notes) }),
    ],
  };

  async function save(name) {
    if (!sheet.page.notes.length) return fault("There are no notes to save yet.");
    const [ending, type, make] = kinds[name];
    download(await make(sheet.page), type, `binolab-${settings.now.seed}.${ending}`);
    say(`${name} saved.`);
  }

  async function share() {
    history.replaceState(null, "", link.encode(sheet.page, settings.now));
    const holds = "It holds the notes, what may change, and the settings.";
    try {
      await navigator.clipboard.writeText(location.href);
      say(`The link is copied. ${holds}`);
    } catch {
      say(`The link is in the address line. ${holds}`);
    }
  }

  const buttons = Object.keys(kinds).map((name) => button(name, () => save(name)));
  const title = el("span", { class: "play-name" }, "Save");
  return group("Save", title, ...buttons, button("Copy link", share));
}

/** Let the browser save some bytes under a name. */
function download(content, type, name) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
