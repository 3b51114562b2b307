// The service's own stylesheets on its maps: collections can be hidden, pointed at and chosen.

import { areaNames, HIGHLIGHT, isBoundary, isDark, vectorSource, whenMarked } from "./style.js";

export const sheetId = (state) => state.style ?? (isDark() ? "dark" : "light");

/** The stylesheet for a state of the map, with the collections that it may show. */
export async function readSheet(config, state) {
  const chosen = config.layers.map((layer) => layer.id).join(",");
  const answer = await fetch(`${config.root}/styles/${sheetId(state)}?f=mapbox&collections=${chosen}`);
  if (!answer.ok) throw new Error(`style ${sheetId(state)}: ${answer.status}`);
  return answer.json();
}

/** The layers, each from the first level on at which the stylesheet draws it: tiles below that are not asked for. */
export const drawnLayers = (sheet, layers) =>
  layers.map((layer) => {
    const levels = sheet.layers.filter((part) => part.source === layer.id).map((part) => part.minzoom ?? 0);
    return levels.length ? { ...layer, minzoom: Math.max(layer.minzoom, Math.min(...levels)) } : layer;
  });

/** What a part of the stylesheet is: of a collection that is shown, and blocks only in three dimensions. */
export const visibilityOf = (part, state) =>
  state.visible.has(part.source) && (part.type !== "fill-extrusion" || state.tilt) ? "visible" : "none";

/** Of a collection's borders not those that others draw, as long as these are shown. */
export function ranksLeft(layer, visible) {
  const others = Object.entries(layer.metadata["opennrw:left-to"]).filter(([, id]) => visible.has(id));
  return ["!in", "rank", ...others.map(([rank]) => rank)];
}

/** Addresses are this page's own: the service may be known by several names. */
export function drawSheet(sheet, config, state, extra = {}) {
  const known = new Map(config.layers.map((layer) => [layer.id, layer]));
  // a collection's own map draws all of its borders
  const shown = config.kind === "collection" ? new Set() : state.visible;
  const drawn = sheet.layers
    .filter((layer) => !layer.source || (known.has(layer.source) && !layer.metadata?.["opennrw:label"]))
    .map((layer) => (layer.source ? { ...layer, layout: { ...layer.layout, visibility: visibilityOf(layer, state) } } : layer))
    .map((layer) => (layer.type === "fill-extrusion" ? marking(layer) : layer))
    .map((layer) => (layer.metadata?.["opennrw:left-to"] ? { ...layer, filter: ranksLeft(layer, shown) } : layer))
    .map((layer) => (config.kind === "collection" && layer.source !== config.focus ? faded(layer) : layer));
  const isName = (layer) => layer.type === "symbol";
  const pointed = [...config.layers].sort((a, b) => isBoundary(b) - isBoundary(a)).flatMap((layer) =>
    pointing(layer).map((part) => ({
      source: layer.id,
      "source-layer": layer.id,
      minzoom: layer.minzoom,
      ...part,
      id: `${layer.id}:${part.id}`,
      layout: { visibility: visibilityOf({ source: layer.id }, state) },
    })),
  );
  return {
    version: 8,
    light: sheet.light,
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
      ...(extra.layers?.(sheetId(state) === "dark") ?? []),
      areaNames(sheetId(state) === "dark"),
    ],
  };
}

/** What lies around the collection that a page is about. */
function faded(layer) {
  const part = { line: "line-opacity", circle: "circle-opacity", symbol: "text-opacity" }[layer.type];
  return part ? { ...layer, paint: { ...layer.paint, [part]: 0.5 } } : layer;
}

/** A block that is marked is seen as such from all sides. */
function marking(layer) {
  const paint = { ...layer.paint, "fill-extrusion-color": whenMarked(HIGHLIGHT, layer.paint["fill-extrusion-color"]) };
  return { ...layer, paint };
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
