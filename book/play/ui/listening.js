/**
 * Play and pause, tempo and loop, and the playhead.
 */

import { ICONS, check, el, field, group, icon, number } from "./html.js";
import { placeName } from "./grid.js";

/**
 * @param {object} desk what all parts of the page share: see page.js
 * @returns {{element: HTMLElement, toggle: () => void, from: (column: number) => void}}
 */
export function listeningRow({ root, player, view, settings, say }) {
  const toggle = () => (player.playing ? player.pause() : player.play());
  const button = el("button", { type: "button", class: "play-sound", onclick: toggle });
  const tempo = number("Tempo, beats a minute", [30, 240], (tempo) => settings.change({ tempo }));
  const loop = check("Loop", (loop) => settings.change({ loop }));

  function follow() {
    view.showHead(player.place, player.playing);
    if (player.playing) requestAnimationFrame(follow);
  }
  const showButton = () => {
    const { playing } = player;
    root.dataset.playing = playing;
    button.replaceChildren(icon(playing ? ICONS.pause : ICONS.play), playing ? "Pause" : "Play");
    follow();
  };
  const showSettings = () => {
    const { now } = settings;
    tempo.value = player.tempo = now.tempo;
    loop.input.checked = player.loop = now.loop;
  };
  player.onChange = showButton;
  settings.addEventListener("change", showSettings);
  showSettings();
  showButton();

  document.addEventListener("keydown", (event) => {
    if (
      event.key !== " " ||
      event.target.closest?.("input, select, textarea, button, summary, a")
    ) {
      return;
    }
    event.preventDefault();
    toggle();
  });

  return {
    element: group("Playing", button, field("Tempo", tempo), loop.element),
    toggle,
    from(column) {
      player.place = column;
      view.moveCursor(view.cursor.row, column);
      view.showHead(column);
      say(`Play from ${placeName(column)}.`);
    },
  };
}
