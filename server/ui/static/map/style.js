// What layers are, what the viewer itself draws over the stylesheets, and swatches of the legend. Pure functions.

export const HIGHLIGHT = "#d9480f";

// what the viewer itself writes on the map
const WRITTEN = {
  light: { text: "#3a3733", halo: "#f6f5f1" },
  dark: { text: "#d9d6cf", halo: "#1a1c1f" },
};
const RANKS = ["gemeinde", "kreis", "regierungsbezirk", "land"];
// zoom levels at which a rank's names help
const NAMED = { gemeinde: [8.5, 14], kreis: [7, 11], regierungsbezirk: [5.5, 8.5], land: [0, 7] };

const marked = ["boolean", ["feature-state", "lit"], false];
export const whenMarked = (yes, no) => ["case", marked, yes, no];

export const isDark = () =>
  (document.documentElement.dataset.theme ??
    (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

/** What a layer shows: a rank of boundary, "adresse", "hausumring", or its kind of geometry. */
export function roleOf(layer) {
  const rank = layer.id.split("_")[0];
  if (RANKS.includes(rank)) return rank;
  if (layer.id === "adresse" || layer.id === "hausumring") return layer.id;
  if (layer.geometry.includes("Point")) return "points";
  return layer.geometry.includes("Line") ? "lines" : "areas";
}

export const isBoundary = (layer) => RANKS.includes(roleOf(layer));

/** The finest visible boundaries whose names fit the zoom level; undefined where none does. */
export function namedLayer(layers, visible, zoom) {
  const shown = layers.filter((layer) => visible.has(layer.id) && isBoundary(layer));
  shown.sort((a, b) => RANKS.indexOf(roleOf(a)) - RANKS.indexOf(roleOf(b)));
  return shown.find((layer) => {
    const [low, high] = NAMED[roleOf(layer)];
    return zoom >= Math.max(low, layer.minzoom) && zoom < high;
  });
}

/** Style layers that answer "what is here", smallest things first. */
export function hitLayers(layers, visible) {
  const order = ["adresse", "points", "lines", "hausumring", "areas", ...RANKS];
  return layers
    .filter((layer) => visible.has(layer.id))
    .sort((a, b) => order.indexOf(roleOf(a)) - order.indexOf(roleOf(b)))
    .map((layer) => `${layer.id}:hit`);
}

/** A publisher's name with the link to the licence: MapLibre shows those of the layers that are drawn, each once. */
export const credit = ({ attribution: { text, licence } }) =>
  `<a href="${escapeHtml(licence)}" rel="license">${escapeHtml(text)}</a>`;

const escapeHtml = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

export function vectorSource(layer, root) {
  return {
    type: "vector",
    tiles: [`${location.origin}${root}${layer.tiles}`],
    minzoom: layer.minzoom,
    maxzoom: layer.maxzoom,
    promoteId: { [layer.id]: "id" },
    attribution: credit(layer),
    ...(layer.bounds ? { bounds: layer.bounds } : {}),
  };
}

const writtenIn = (dark) => WRITTEN[dark ? "dark" : "light"];

export function areaNames(dark) {
  const colours = writtenIn(dark);
  return {
    id: "names",
    type: "symbol",
    source: "labels",
    layout: {
      "text-field": ["get", "name"],
      "text-font": ["Open Sans Bold"],
      "text-size": ["interpolate", ["linear"], ["zoom"], 6, 11, 10, 12, 13, 15],
      "text-max-width": 8,
      "text-padding": 1,
      "symbol-sort-key": ["-", 0, ["get", "size"]],
    },
    paint: { "text-color": colours.text, "text-halo-color": colours.halo, "text-halo-width": 1.8, "text-halo-blur": 0.4 },
  };
}

/** Layers that draw the features of this page (items, item) over the ground; id of the source: "page". */
export function pageLayers(dark) {
  const plain = HIGHLIGHT;
  return [
    {
      id: "page:fill",
      type: "fill",
      source: "page",
      filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "fill-color": plain, "fill-opacity": whenMarked(0.45, 0.16) },
    },
    {
      id: "page:line",
      type: "line",
      source: "page",
      filter: ["!=", ["geometry-type"], "Point"],
      layout: { "line-join": "round" },
      paint: { "line-color": plain, "line-width": whenMarked(3, 1.5) },
    },
    {
      id: "page:point",
      type: "circle",
      source: "page",
      filter: ["==", ["geometry-type"], "Point"],
      paint: {
        "circle-color": plain,
        "circle-radius": whenMarked(8, 5),
        "circle-stroke-color": writtenIn(dark).halo,
        "circle-stroke-width": 2,
      },
    },
  ];
}

/** The inside of a legend's <svg viewBox="0 0 24 16"> for a collection: what a stylesheet draws of it at large scales. */
export function swatch(sheet, id) {
  const drawn = sheet.layers.filter((layer) => layer.source === id);
  const last = (type) => {
    const parts = drawn.filter((layer) => layer.type === type);
    return (parts.findLast((layer) => layer.maxzoom === undefined) ?? parts.at(-1))?.paint;
  };
  const [fill, line, circle] = ["fill", "line", "circle"].map(last);
  const ground = sheet.layers.find((layer) => layer.type === "background").paint["background-color"];
  const width = line && Math.min(largest(line["line-width"]), 2.5);
  const dashes = line?.["line-dasharray"]?.map((length) => length * width).join(" ");
  const stroke = line ? `stroke="${line["line-color"]}" stroke-width="${width}"${dashes ? ` stroke-dasharray="${dashes}"` : ""}` : "";
  const area = fill && `fill="${fill["fill-color"]}" fill-opacity="${fill["fill-opacity"]}"`;
  return `<rect width="24" height="16" fill="${ground}"/>${[
    fill && `<path d="M3 3h11v3h7v7H3z" ${area} ${stroke}/>`,
    line && !fill && `<path d="M0 11 8 8l7 3 9-6" fill="none" ${stroke}/>`,
    circle && `<circle cx="12" cy="8" r="${Math.min(largest(circle["circle-radius"]) + 1, 5)}" fill="${circle["circle-color"]}"/>`,
  ].filter(Boolean).join("")}`;
}

// of a number, or of one that goes evenly between levels
const largest = (value) => (Array.isArray(value) ? value.at(-1) : value);
