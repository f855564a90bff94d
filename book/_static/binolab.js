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

// Opened from a folder, a search cannot fetch the pages that it found: a script has their words.
if (location.protocol === "file:" && DOCUMENTATION_OPTIONS.pagename === "search") {
  const script = document.createElement("script");
  script.src = "search-texts.js";
  const texts = new Promise((done) => (script.onload = () => done(self.binolabTexts)));
  document.head.append(script);
  self.fetch = async (url) => ({ text: async () => (await texts)[url.split("/").pop()] });
}
