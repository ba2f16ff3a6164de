"use strict";
// Draws every chart of the page from the JSON beside it. Tooltips are text, never markup.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

function shown(value) {
  if (value === null || typeof value !== "object") return String(value);
  return Object.entries(value).map(([name, part]) => `${name}: ${part !== null && typeof part === "object" ? JSON.stringify(part) : part}`).join("\n");
}

function tooltip(_handler, event, _item, value) {
  tip.hidden = value === null || value === undefined || value === "";
  if (tip.hidden) return;
  tip.textContent = shown(value);
  const x = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
  const y = Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8);
  tip.style.left = `${Math.max(0, x)}px`;
  tip.style.top = `${Math.max(0, y)}px`;
}

for (const source of document.querySelectorAll("script.chart")) {
  const figure = source.closest("figure");
  const place = figure.querySelector(".plot");
  const options = { mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false, tooltip };
  vegaEmbed(place, JSON.parse(source.textContent), options)
    .then(() => { figure.dataset.drawn = "yes"; })
    .catch((error) => {
      figure.dataset.drawn = "no";
      place.textContent = `This chart could not be drawn: ${error.message}`;
    });
}
