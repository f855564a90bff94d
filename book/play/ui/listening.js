/**
 * Play and pause, tempo and loop, and the playhead.
 */

import { ICONS, check, el, field, group, icon, number } from "./html.js";

/**
 * The button that plays and pauses; the playhead follows.
 *
 * @param {import("./desk.js").Desk} desk
 * @returns {{element: HTMLElement, toggle: () => void}}
 */
export function playButton({ root, player, view }) {
  const toggle = () => (player.playing ? player.pause() : player.play());
  const element = el("button", { type: "button", class: "play-sound", onclick: toggle });
  function follow() {
    view.showHead(player.place, player.playing);
    if (player.playing) requestAnimationFrame(follow);
  }
  player.onChange = () => {
    const { playing } = player;
    root.dataset.playing = playing;
    element.replaceChildren(icon(playing ? ICONS.pause : ICONS.play), playing ? "Pause" : "Play");
    follow();
  };
  player.onChange();
  return { element, toggle };
}

/**
 * @param {import("./desk.js").Desk} desk
 * @returns {{element: HTMLElement, toggle: () => void}}
 */
export function listeningRow(desk) {
  const { player, settings } = desk;
  const { element, toggle } = playButton(desk);
  const tempo = number("Tempo, beats a minute", [30, 240], (tempo) => settings.change({ tempo }));
  const loop = check("Loop", (loop) => settings.change({ loop }));
  const showSettings = () => {
    const { now } = settings;
    tempo.value = player.tempo = now.tempo;
    loop.input.checked = player.loop = now.loop;
  };
  settings.addEventListener("change", showSettings);
  showSettings();

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

  return { element: group("Playing", element, field("Tempo", tempo), loop.element), toggle };
}
