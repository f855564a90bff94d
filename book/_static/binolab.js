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
