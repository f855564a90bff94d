/**
 * What the reader begins with: presets, a MIDI file, a MIDI keyboard, or a link.
 */

import { DEFAULTS } from "./free.js";
import { button, el, group } from "./html.js";
import * as keyboards from "./keyboards.js";
import * as link from "./link.js";
import { isMelody } from "./notes.js";
import { pieceOpener } from "./pieces.js";
import { PRESETS } from "./presets.js";
import { FREE } from "./words.js";

/** A page of the sheet with some notes, ready for an action. */
export const pageOf = ({ notes, action }) => ({ notes, action, free: DEFAULTS[action](notes) });

/**
 * @param {object} desk what all parts of the page share: see desk.js
 * @returns {HTMLElement}
 */
export function openingRow(desk) {
  const { sheet, hands, settings, say, fault } = desk;

  // --- presets

  const presets = Object.values(PRESETS).map((preset) =>
    button(preset.text, () => {
      if (desk.busy) return;
      piece.forget();
      desk.begin(pageOf(preset));
      say(`${preset.text}. ${FREE[sheet.page.free.kind]}.`);
    }),
  );

  // --- a MIDI file

  const piece = pieceOpener(desk, (notes) =>
    desk.begin(pageOf({ notes, action: isMelody(notes) ? "harmonize" : "vary" })),
  );

  // --- a MIDI keyboard

  async function listen() {
    const put = (row) => desk.busy || hands.put([row]);
    try {
      const names = await keyboards.listen(put, () => hands.advance());
      if (names.length) say(`${names.join(", ")}: play, and notes come at the cursor.`);
      else say("No keyboard is plugged in yet.");
    } catch {
      fault("The browser did not let the page hear a MIDI keyboard.");
    }
  }

  // --- a link

  function followLink() {
    let found = null;
    try {
      found = link.decode(location.hash);
    } catch {
      fault("This link is broken. Here is the page without it.");
    }
    if (!found || desk.busy) return;
    settings.change({ ...found.settings, fresh: false });
    desk.begin(found.page);
    say("This is what the link holds.");
  }
  window.addEventListener("hashchange", followLink);
  followLink();

  const all = group(
    "Begin with",
    el("span", { class: "play-name" }, "Begin with"),
    ...presets,
    piece.open,
    ...(keyboards.canListen() ? [button("MIDI keyboard", listen)] : []),
  );
  return el("div", { class: "play-bar play-start" }, all, piece.row);
}
