// Draws the charts of the page, and smooths its curves.
(() => {
  "use strict";
  const specs = JSON.parse(document.getElementById("chart-specs").textContent);
  const slider = document.getElementById("smoothing");
  const curves = [];

  // An exponential moving average, corrected for its beginning as TensorBoard does it.
  function smoothed(rows, weight) {
    const last = new Map();
    return rows.map((row) => {
      const seen = last.get(row.line) || { sum: 0, weights: 0 };
      seen.sum = seen.sum * weight + (1 - weight) * row.value;
      seen.weights = seen.weights * weight + (1 - weight);
      last.set(row.line, seen);
      return { ...row, smooth: seen.weights ? seen.sum / seen.weights : row.value };
    });
  }

  function weight() {
    return slider ? Number(slider.value) : 0;
  }

  async function draw(place) {
    const { spec, isCurve } = specs[place.dataset.chart];
    const rows = isCurve ? spec.datasets.curve : null;
    if (isCurve) spec.datasets.curve = smoothed(rows, weight());
    const { view } = await vegaEmbed(place, spec, { renderer: "svg", actions: false, tooltip: { theme: "custom" } });
    if (isCurve) curves.push({ view, rows });
    place.dataset.drawn = "yes";
  }

  // Charts in sight are drawn first; the others follow while the page is already in use, so that printing has them all.
  async function drawAll() {
    const places = [...document.querySelectorAll("[data-chart]")];
    for (const place of places) {
      await draw(place);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    document.documentElement.dataset.charts = "drawn";
  }

  if (slider) {
    slider.addEventListener("input", () => {
      document.querySelector('output[for="smoothing"]').textContent = slider.value;
      for (const { view, rows } of curves) {
        view.change("curve", vega.changeset().remove(() => true).insert(smoothed(rows, weight()))).run();
      }
    });
  }
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  drawAll();
})();
