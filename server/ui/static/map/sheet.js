// The service's own stylesheets in the viewer: its collections can be hidden, pointed at and chosen.

import { areaNames, HIGHLIGHT, isBoundary, isDark, vectorSource, whenMarked } from "./style.js";

export const sheetId = (state) => state.style ?? (isDark() ? "dark" : "light");

/** The stylesheet for a state of the map. */
export async function readSheet(config, state) {
  const answer = await fetch(`${config.root}/styles/${sheetId(state)}?f=mapbox`);
  if (!answer.ok) throw new Error(`style ${sheetId(state)}: ${answer.status}`);
  return answer.json();
}

/** Addresses are this page's own: the service may be known by several names. */
export function drawSheet(sheet, config, state, extra = {}) {
  const known = new Map(config.layers.map((layer) => [layer.id, layer]));
  const visibility = (id) => ({ visibility: state.visible.has(id) ? "visible" : "none" });
  const drawn = sheet.layers
    .filter((layer) => !layer.source || (known.has(layer.source) && !layer.metadata?.["opennrw:label"]))
    .map((layer) => (layer.source ? { ...layer, layout: { ...layer.layout, ...visibility(layer.source) } } : layer));
  const isName = (layer) => layer.type === "symbol";
  const pointed = [...config.layers].sort((a, b) => isBoundary(b) - isBoundary(a)).flatMap((layer) =>
    pointing(layer).map((part) => ({
      source: layer.id,
      "source-layer": layer.id,
      minzoom: layer.minzoom,
      ...part,
      id: `${layer.id}:${part.id}`,
      layout: visibility(layer.id),
    })),
  );
  return {
    version: 8,
    glyphs: `${location.origin}${config.root}/fonts/{fontstack}/{range}.pbf`,
    sources: {
      labels: { type: "geojson", data: { type: "FeatureCollection", features: state.labels ?? [] } },
      ...extra.sources,
      ...Object.fromEntries(config.layers.map((layer) => [layer.id, vectorSource(layer, config.root)])),
    },
    layers: [
      ...drawn.filter((layer) => !isName(layer)),
      ...pointed,
      ...drawn.filter(isName),
      ...(extra.layers?.() ?? []),
      areaNames(sheetId(state) === "dark", ["Open Sans Bold"]),
    ],
  };
}

/** Unseen until it is marked: what answers "what is here". */
function pointing(layer) {
  const line = { "line-color": HIGHLIGHT, "line-width": 2.5, "line-opacity": whenMarked(1, 0) };
  if (layer.geometry.includes("Point")) {
    return [{ id: "hit", type: "circle", paint: {
      "circle-color": HIGHLIGHT, "circle-radius": 5, "circle-opacity": whenMarked(1, 0),
      "circle-stroke-color": "#ffffff", "circle-stroke-width": 2, "circle-stroke-opacity": whenMarked(1, 0),
    } }];
  }
  if (layer.geometry.includes("Line")) return [{ id: "hit", type: "line", paint: line }];
  const fill = { "fill-color": HIGHLIGHT, "fill-opacity": whenMarked(isBoundary(layer) ? 0.12 : 0.45, 0), "fill-antialias": false };
  return [{ id: "hit", type: "fill", paint: fill }, { id: "mark", type: "line", paint: line }];
}
