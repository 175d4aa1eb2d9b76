"use strict";
(function () {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const options = { displayModeBar: false, responsive: true };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = document.getElementById("instrument");
  let scale = "linear";

  function painted(value, style) {
    if (Array.isArray(value)) {
      // Long lists of numbers have no colours; short ones of shapes and notes do.
      const parts = value.length > 0 && typeof value[0] === "object" && !Array.isArray(value[0]);
      return parts ? value.map(function (part) { return painted(part, style); }) : value;
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(function (entry) {
        return [entry[0], painted(entry[1], style)];
      }));
    }
    if (typeof value === "string" && value.startsWith("@")) {
      return style.getPropertyValue("--" + value.slice(1)).trim();
    }
    return value;
  }

  function draw(place, name) {
    const style = getComputedStyle(document.documentElement);
    const figure = figures[name];
    const layout = painted(figure.layout, style);
    layout.font.family = getComputedStyle(document.body).fontFamily;
    if (name === "curve" && document.body.clientWidth < 600) {
      // Above the chart there is no room for it beside the ranges.
      Object.assign(layout.legend, { x: 0, xanchor: "left", y: -0.07, yanchor: "top" });
    }
    if (name === "curve") {
      layout.yaxis.type = scale;
      if (scale === "log") { layout.yaxis.dtick = "D2"; }
      layout.xaxis.rangeselector.bgcolor = style.getPropertyValue("--card").trim();
      layout.xaxis.rangeselector.activecolor = style.getPropertyValue("--accent-soft").trim();
    }
    Plotly.react(place, figure.data.map(function (trace) { return painted(trace, style); }), layout, options);
  }

  function drawAll() {
    if (document.getElementById("curve")) { draw("curve", "curve"); }
    for (const place of document.querySelectorAll("[data-figure]")) { draw(place, place.dataset.figure); }
    if (chosen) { draw("price", chosen.value); }
  }

  if (chosen) { chosen.addEventListener("change", drawAll); }
  dark.addEventListener("change", drawAll);
  for (const button of document.querySelectorAll("[data-scale]")) {
    button.addEventListener("click", function () {
      scale = button.dataset.scale;
      for (const other of document.querySelectorAll("[data-scale]")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      draw("curve", "curve");
    });
  }
  drawAll();
})();
