// The widgets' manager asks for MathJax 2's queue; the pages have MathJax 3. One answers for both.
document.addEventListener("DOMContentLoaded", () => {
  if (window.MathJax && !window.MathJax.Hub) {
    window.MathJax.Hub = { Queue: ([, , element]) => window.MathJax.typesetPromise?.([element]) };
  }
});

// What the widgets do not say aloud: a slider's name and place in words, and which button is pressed.
const say = () => {
  for (const handle of document.querySelectorAll(".binolab-frames .noUi-handle")) {
    const slider = handle.closest(".widget-slider");
    const place = slider.nextElementSibling?.textContent.trim();
    handle.setAttribute("aria-label", slider.querySelector(".widget-label")?.textContent ?? "");
    if (place) handle.setAttribute("aria-valuetext", place);
  }
  for (const button of document.querySelectorAll(".binolab-frames .widget-toggle-button")) {
    button.setAttribute("aria-pressed", button.classList.contains("mod-active"));
  }
};
document.addEventListener("DOMContentLoaded", () => {
  if (!document.querySelector("script[type='application/vnd.jupyter.widget-view+json']")) return;
  new MutationObserver(say).observe(document.querySelector(".bd-article"), {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["class", "aria-valuenow"],
  });
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
