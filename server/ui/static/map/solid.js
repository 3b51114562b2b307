// Three dimensions: buildings stand as blocks, and the map turns and tilts.

import { readHash, STEEPEST, writeHash } from "./permalink.js";
import { visibilityOf } from "./sheet.js";

const OBLIQUE = { bearing: -20, pitch: 55 };
const FLAT = { bearing: 0, pitch: 0 };

export function startSolid(map, config, state) {
  const button = document.querySelector("[data-solid]");
  if (!button) return;
  const blocks = () => state.sheet.layers.filter((part) => part.type === "fill-extrusion");
  const show = () => {
    button.setAttribute("aria-pressed", String(Boolean(state.tilt)));
    document.querySelector("[data-solid-keys]").hidden = !state.tilt;
    const kinds = [map.dragRotate, map.touchPitch];
    for (const kind of kinds) state.tilt ? kind.enable() : kind.disable();
    for (const kind of [map.touchZoomRotate, map.keyboard]) state.tilt ? kind.enableRotation() : kind.disableRotation();
    for (const { id } of blocks()) {
      if (map.getLayer(id)) map.setLayoutProperty(id, "visibility", visibilityOf(map.getLayer(id), state));
    }
    if (state.tilt) map.setMaxPitch(STEEPEST);
  };
  const flatten = () => {
    if (!state.tilt) map.setMaxPitch(0);
  };
  button.addEventListener("click", () => {
    state.tilt = state.tilt ? undefined : OBLIQUE;
    show();
    if (!state.tilt) {
      map.once("moveend", flatten);
      return map.easeTo(FLAT);
    }
    const lowest = Math.min(...blocks().map((part) => part.minzoom)) + 0.5;
    map.easeTo({ ...OBLIQUE, zoom: Math.max(map.getZoom(), lowest) });
    choose(blocks(), state);
  });
  addEventListener("hashchange", () => {
    const { view, tilt } = readHash(config.layers);
    if (!view) return;
    state.tilt = tilt;
    show();
    map.jumpTo(tilt ?? FLAT);
    flatten();
  });
  button.disabled = false;
  if (!state.tilt) return;
  const { bearing, pitch } = state.tilt;
  show();
  map.jumpTo({ bearing, pitch });
  writeHash(map, config.layers, state);
}

// Of the collections with blocks the first is shown where none is: by its box in the list, so that all follows
function choose(blocks, state) {
  if (!blocks.length || blocks.some((part) => state.visible.has(part.source))) return;
  const box = document.querySelector(`[data-layers] input[value="${blocks[0].source}"]`);
  box.checked = true;
  box.dispatchEvent(new Event("change"));
}
