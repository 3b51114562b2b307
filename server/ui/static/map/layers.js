// The layer list of the overview, which is the legend too.

import { readHash, writeHash } from "./permalink.js";
import { ranksLeft, sheetId, visibilityOf } from "./sheet.js";
import { swatch } from "./style.js";

export function drawSwatches(sheet) {
  for (const svg of document.querySelectorAll("[data-swatch]")) svg.innerHTML = swatch(sheet, svg.dataset.swatch);
}

export function startLayerList(map, config, state, changed) {
  const boxes = [...document.querySelectorAll("[data-layers] input")];
  const show = () => {
    for (const box of boxes) {
      box.checked = state.visible.has(box.value);
      if (box.checked) box.closest("details").open = true;
    }
    for (const layer of map.getStyle().layers) {
      const id = layer.id.split(":")[0];
      if (layer.id.includes(":") && layer.source === id) {
        map.setLayoutProperty(layer.id, "visibility", visibilityOf(layer, state));
        if (layer.metadata?.["opennrw:left-to"]) map.setFilter(layer.id, ranksLeft(layer, state.visible));
      }
    }
  };
  for (const box of boxes) {
    box.disabled = false;
    box.checked = state.visible.has(box.value);
    if (box.checked) box.closest("details").open = true;
    box.addEventListener("change", () => {
      if (box.checked) state.visible.add(box.value);
      else state.visible.delete(box.value);
      show();
      writeHash(map, config.layers, state);
      changed();
    });
  }
  drawSwatches(state.sheet);
  map.on("moveend", () => writeHash(map, config.layers, state));
  addEventListener("hashchange", () => {
    const { view, visible } = readHash(config.layers);
    if (visible) state.visible = visible;
    show();
    if (view) map.jumpTo(view);
    changed();
  });
}

/** The choice of the map's style; none chosen means as the page is. */
export function startStyles(map, config, state, changed) {
  const boxes = [...document.querySelectorAll("[data-styles] input")];
  const legend = document.querySelector("[data-legend-link]");
  const show = () => {
    for (const box of boxes) box.checked = box.value === (state.style ?? "");
    const page = new URL(legend.href);
    page.pathname = `${config.root}/styles/${sheetId(state)}/legend`;
    legend.href = page;
  };
  for (const box of boxes) {
    box.disabled = false;
    box.addEventListener("change", () => {
      state.style = box.value || undefined;
      show();
      changed();
      writeHash(map, config.layers, state);
    });
  }
  addEventListener("hashchange", () => {
    const { view, style } = readHash(config.layers);
    if (!view || style === state.style) return;
    state.style = style;
    show();
    changed();
  });
  show();
}
