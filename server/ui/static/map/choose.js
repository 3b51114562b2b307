// Pointing at and choosing features, by mouse, touch and keyboard.

import { makeDetails } from "./details.js";
import { hitContent, popupContent } from "./popup.js";
import { litRow } from "./rows.js";
import { hitLayers } from "./style.js";
import { boundsOf } from "./view.js";

// At most one feature is marked by pointer or focus, and one by being chosen.
export function makeMarks(map, config) {
  const at = (id) => (id.source === "page" ? id : { source: id.source, sourceLayer: id.source, id: id.id });
  const kept = { hover: undefined, chosen: undefined };
  const set = (kind, source, id) => {
    const before = kept[kind];
    kept[kind] = id === undefined ? undefined : { source, id };
    if (before) map.setFeatureState(at(before), { lit: false });
    for (const one of [kept.hover, kept.chosen]) if (one && map.getSource(one.source)) map.setFeatureState(at(one), { lit: true });
  };
  return {
    only: (source, id) => set("hover", source, id),
    choose: (source, id) => set("chosen", source, id),
    layer: (feature) => config.layers.find((layer) => layer.id === (feature.source === "page" ? config.focus : feature.source)),
  };
}

export function makePopups(maplibre, map, container, config, state, words, marks) {
  const details = makeDetails(config, words);
  let popup;
  const queried = () => [
    ...(state.page ? ["page:point", "page:line", "page:fill"] : []),
    ...state.sheet.layers.filter((part) => part.type === "fill-extrusion" && state.tilt).map((part) => part.id),
    ...hitLayers(config.layers, state.visible),
  ];
  const findAt = (point, reach) => {
    const box = [[point.x - reach, point.y - reach], [point.x + reach, point.y + reach]];
    const layers = queried().filter((id) => map.getLayer(id));
    const order = (feature) => layers.indexOf(feature.layer.id);
    const seen = new Set();
    return map
      .queryRenderedFeatures(box, { layers })
      .sort((a, b) => order(a) - order(b))
      .map((feature) => ({ layer: marks.layer(feature), feature }))
      .filter(({ layer, feature }) => {
        const key = `${layer.id} ${feature.id ?? "-"}`;
        return !seen.has(key) && seen.add(key);
      });
  };
  const open = (found, at, index, back) => {
    const ordered = [found[index], ...found.filter((_, i) => i !== index)];
    const { feature } = ordered[0];
    put(at, popupContent(ordered, words, details, (i) => open(ordered, at, i, back)), back);
    marks.choose(feature.source, feature.id);
  };
  const put = (at, content, back) => {
    popup?.remove();
    popup = new maplibre.Popup({ maxWidth: "336px", focusAfterOpen: true }).setLngLat(at).setDOMContent(content).addTo(map);
    const mine = popup;
    popup.on("close", () => {
      if (popup !== mine) return;
      popup = undefined;
      marks.choose();
      (back?.isConnected ? back : map.getCanvas()).focus({ preventScroll: true });
    });
  };
  map.on("click", (event) => {
    if (state.measuring) return;
    const found = findAt(event.point, 4);
    if (found.length) open(found, event.lngLat, 0);
  });
  hover(map, findAt, marks);
  keyboard(map, container, () => {
    if (state.measuring) return;
    const canvas = map.getCanvas();
    const found = findAt({ x: canvas.clientWidth / 2, y: canvas.clientHeight / 2 }, 6);
    if (found.length) open(found, map.getCenter(), 0, canvas);
    else announce(container, words.text("nothing_here"));
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") popup?.remove();
  });
  return {
    choose: (layer, feature, back) => open([{ layer, feature }], placeOf(map, feature), 0, back),
    tell: (hit) => {
      marks.choose();
      put(hit.geometry.coordinates, hitContent(hit, words));
    },
  };
}

// A place on the feature that the reader sees: a point's own, else the middle of its part in view.
function placeOf(map, feature) {
  if (feature.geometry.type === "Point") return feature.geometry.coordinates;
  const box = boundsOf({ features: [feature] });
  const view = map.getBounds();
  const west = Math.max(box[0], view.getWest());
  const east = Math.min(box[2], view.getEast());
  const south = Math.max(box[1], view.getSouth());
  const north = Math.min(box[3], view.getNorth());
  return [(west + east) / 2, (south + north) / 2];
}

function hover(map, findAt, marks) {
  let frame;
  map.on("mousemove", (event) => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      const found = findAt(event.point, 2)[0];
      map.getCanvas().style.cursor = found ? "pointer" : "";
      marks.only(found?.feature.source, found?.feature.id);
      litRow(found?.feature.source === "page" ? found.feature.id : undefined);
    });
  });
  map.getCanvas().addEventListener("mouseleave", () => {
    cancelAnimationFrame(frame);
    marks.only();
    litRow();
  });
}

function keyboard(map, container, choose) {
  const canvas = map.getCanvas();
  canvas.addEventListener("keydown", (event) => {
    container.classList.add("keyboard");
    if (event.key === "Enter") choose();
  });
  canvas.addEventListener("focus", () => container.classList.toggle("keyboard", canvas.matches(":focus-visible")));
  for (const event of ["blur", "mousedown"]) canvas.addEventListener(event, () => container.classList.remove("keyboard"));
}

function announce(container, text) {
  const hint = container.querySelector("[data-map-hint]");
  hint.textContent = text;
  hint.hidden = false;
  setTimeout(() => (hint.hidden = true), 3000);
}
