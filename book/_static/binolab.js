// Equations, by KaTeX: the source stands between \( and \) or \[ and \], after the number.
document.addEventListener("DOMContentLoaded", () => {
  for (const math of document.querySelectorAll(".math")) {
    const text = math.lastChild;
    const source = text.data.trim();
    const place = document.createElement("span");
    text.replaceWith(place);
    katex.render(source.slice(2, -2), place, { displayMode: source.startsWith("\\[") });
  }
});

// Sliders and buttons: what has one `data-choice` shows one place, the stacks by the child of that
// number. A slider says its place in the words beside it.
const choose = (choice, place) => {
  for (const one of document.querySelectorAll(`[data-choice="${choice}"]`)) {
    if (one.matches("input")) one.value = place;
    for (const [number, child] of [...one.children].entries()) {
      if (child.matches("button")) child.setAttribute("aria-pressed", number === place);
      else child.hidden = number !== place;
    }
  }
  for (const slider of document.querySelectorAll(`input[data-choice="${choice}"]`)) say(slider);
};
const say = (slider) => {
  const words = slider.parentElement.nextElementSibling?.querySelector(":scope > :not([hidden])");
  if (words) slider.setAttribute("aria-valuetext", words.textContent.trim());
};
document.addEventListener("DOMContentLoaded", () => {
  for (const slider of document.querySelectorAll("input[data-choice]")) {
    say(slider);
    slider.addEventListener("input", () => choose(slider.dataset.choice, slider.valueAsNumber));
  }
  for (const buttons of document.querySelectorAll(".binolab-buttons")) {
    buttons.addEventListener("click", ({ target }) => {
      const place = [...buttons.children].indexOf(target);
      if (place >= 0) choose(buttons.dataset.choice, place);
    });
  }
  // At the first touch all frames come, so that each is there when it is its turn.
  for (const frames of document.querySelectorAll(".binolab-frames")) {
    const fetch = () => frames.querySelectorAll("img").forEach((image) => (image.loading = "eager"));
    for (const touch of ["pointerenter", "focusin"]) {
      frames.addEventListener(touch, fetch, { once: true });
    }
  }
});

// A figure opens its own picture, where a phone can enlarge it: a link, so it works by key as well.
document.addEventListener("DOMContentLoaded", () => {
  for (const image of document.querySelectorAll(".bd-article :is(figure, .cell_output) img")) {
    if (image.closest("a, .sd-card") || image.src.startsWith("data:")) continue;
    const link = document.createElement("a");
    link.href = image.src;
    link.className = "binolab-picture";
    link.title = "Open the picture";
    image.replaceWith(link);
    link.append(image);
  }
});

// One player at a time: whoever begins, an audio element or a roll that plays, says so by an event.
document.addEventListener(
  "play",
  ({ target }) => {
    for (const other of document.querySelectorAll("audio")) if (other !== target) other.pause();
    if (target.matches?.("audio")) follow(target);
  },
  true,
);

// A playhead moves over the picture of what is played. `data-over` of a player has the boxes of its
// roll in the picture before it, in shares: left, top, width, height (audio.player). In a slider's
// frames it is the whole picture, unless said.
const TAIL = 0.8; // seconds that a sound goes on after its roll: audio.TAIL

const pictureOf = (audio) =>
  [...document.querySelectorAll(".bd-article img")].findLast(
    (image) =>
      image.offsetWidth &&
      image.compareDocumentPosition(audio) & Node.DOCUMENT_POSITION_FOLLOWING,
  );

const follow = (audio) => {
  const framed = audio.closest(".binolab-frames");
  const boxes = JSON.parse(audio.dataset.over ?? (framed ? "[[0, 0, 1, 1]]" : "[]"));
  const wide = boxes.reduce((sum, [, , width]) => sum + width, 0);
  const head = document.createElement("div");
  head.className = "binolab-head";
  const show = () => {
    if (framed && !audio.offsetWidth) audio.pause(); // the slider was moved to another frame
    if (audio.paused) return head.remove();
    requestAnimationFrame(show);
    let along = (wide * audio.currentTime) / (audio.duration - TAIL);
    let row = 0;
    while (row < boxes.length && along > boxes[row][2]) along -= boxes[row++][2];
    const image = pictureOf(audio);
    if (row === boxes.length || !image) return head.remove();
    const [left, top, , height] = boxes[row];
    head.style.left = `${image.offsetLeft + image.offsetWidth * (left + along)}px`;
    head.style.top = `${image.offsetTop + image.offsetHeight * top}px`;
    head.style.height = `${image.offsetHeight * height}px`;
    image.parentElement.classList.add("binolab-under-head");
    image.parentElement.append(head);
  };
  if (boxes.length) show();
};

// A twin (book/play/ui/twin.js) is loaded when the reader comes near it, and its model when asked for.
const SCRIPT = document.currentScript.src;
document.addEventListener("DOMContentLoaded", () => {
  const near = new IntersectionObserver(
    (places) => {
      if (!places.some((place) => place.isIntersecting)) return;
      near.disconnect();
      const look = document.createElement("link");
      look.rel = "stylesheet";
      look.href = new URL("../play/twin.css", SCRIPT);
      const script = document.createElement("script");
      script.src = new URL("../play/twin.js", SCRIPT);
      document.head.append(look, script);
    },
    { rootMargin: "50%" },
  );
  for (const twin of document.querySelectorAll(".twin")) near.observe(twin);
});

// Opened from a folder, a search cannot fetch the pages that it found: a script has their words.
if (location.protocol === "file:" && location.pathname.endsWith("/search.html")) {
  const script = document.createElement("script");
  script.src = "search-texts.js";
  const texts = new Promise((done) => (script.onload = () => done(self.binolabTexts)));
  document.head.append(script);
  self.fetch = async (url) => ({ text: async () => (await texts)[url.split("/").pop()] });
}
