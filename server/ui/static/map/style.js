// Quiet cartography: the MapLibre style and the legend's swatches from one table of colours. Pure functions.

export const HIGHLIGHT = "#d9480f";

const LIGHT = {
  outside: "#ebeae4", land: "#f6f5f1", water: "#cfe3ee", building: "#d9d2c7", outline: "#b5ab9c",
  address: "#6f665a", text: "#3a3733", halo: "#f6f5f1", accent: "#0b5c6e",
  boundary: { land: "#57436f", regierungsbezirk: "#705d88", kreis: "#8875a0", gemeinde: "#9d8cb3" },
};
const DARK = {
  outside: "#27292d", land: "#1a1c1f", water: "#23343f", building: "#3b3a37", outline: "#5b574f",
  address: "#a69d91", text: "#d9d6cf", halo: "#1a1c1f", accent: "#83cadb",
  boundary: { land: "#c3b1da", regierungsbezirk: "#ab99c4", kreis: "#8f7dab", gemeinde: "#776892" },
};
// px at zoom 10 and above; narrower on small scales, where lines crowd
const WIDTH = { land: 2.5, regierungsbezirk: 2, kreis: 1.5, gemeinde: 1 };
const RANKS = ["gemeinde", "kreis", "regierungsbezirk", "land"];
// zoom levels at which a rank's names help
const NAMED = { gemeinde: [8.5, 14], kreis: [7, 11], regierungsbezirk: [5.5, 8.5], land: [0, 7] };
const FONT = ["system-ui"];
const FONT_STRONG = ["Semibold", "system-ui"];

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

export function buildStyle(config, visible, dark, extra = {}) {
  const colours = dark ? DARK : LIGHT;
  const focus = config.kind === "collection" ? config.focus : undefined;
  const names = { type: "FeatureCollection", features: extra.labels ?? [] };
  const sources = { labels: { type: "geojson", data: names }, ...extra.sources };
  for (const layer of config.layers) sources[layer.id] = vectorSource(layer, config.root);
  const ranked = config.layers.filter(isBoundary).sort((a, b) => RANKS.indexOf(roleOf(a)) - RANKS.indexOf(roleOf(b)));
  const others = config.layers.filter((layer) => !isBoundary(layer));
  const draw = (layer, parts) =>
    parts.map((part) => ({
      source: layer.id,
      "source-layer": layer.id,
      minzoom: layer.minzoom,
      ...part,
      id: `${layer.id}:${part.id}`,
      layout: { visibility: visible.has(layer.id) ? "visible" : "none", ...part.layout },
    }));
  const of = (kind, parts) =>
    others.filter((layer) => layer.geometry.includes(kind)).flatMap((layer) => draw(layer, parts(layer)));
  return {
    version: 8,
    sources,
    layers: [
      { id: "outside", type: "background", paint: { "background-color": colours.outside } },
      ...ranked.flatMap((layer) => draw(layer, ground(colours))),
      ...of("Polygon", (layer) => areas(layer, colours, layer.id === focus)),
      ...ranked.flatMap((layer) => draw(layer, boundary(roleOf(layer), colours, layer.id === focus))),
      ...of("Line", () => lines(colours)),
      ...of("Point", (layer) => points(layer, colours, layer.id === focus)),
      ...others.filter((l) => roleOf(l) === "adresse").flatMap((layer) => draw(layer, [houseNumbers(colours)])),
      ...(extra.layers?.(colours) ?? []),
      areaNames(dark, FONT_STRONG),
    ],
  };
}

export function vectorSource(layer, root) {
  return {
    type: "vector",
    tiles: [`${location.origin}${root}${layer.tiles}`],
    minzoom: layer.minzoom,
    maxzoom: layer.maxzoom,
    promoteId: { [layer.id]: "id" },
    ...(layer.bounds ? { bounds: layer.bounds } : {}),
  };
}

const ground = (colours) => [{ id: "ground", type: "fill", paint: { "fill-color": colours.land } }];

const byZoom = (width) => ["interpolate", ["linear"], ["zoom"], 6, width * 0.5, 10, width];

// A collection's own page draws it in the accent colour
function boundary(rank, colours, focus) {
  const dashes = rank === "gemeinde" && !focus ? { "line-dasharray": [4, 2.5] } : {};
  return [
    {
      id: "hit",
      type: "fill",
      paint: { "fill-color": HIGHLIGHT, "fill-opacity": whenMarked(0.12, 0), "fill-antialias": false },
    },
    {
      id: "line",
      type: "line",
      layout: { "line-join": "round" },
      paint: {
        "line-color": focus ? colours.accent : colours.boundary[rank],
        "line-width": byZoom(Math.max(WIDTH[rank], focus ? 1.75 : 0)),
        ...dashes,
      },
    },
    {
      id: "mark",
      type: "line",
      layout: { "line-join": "round" },
      paint: { "line-color": HIGHLIGHT, "line-width": 2.5, "line-opacity": whenMarked(1, 0) },
    },
  ];
}

function areas(layer, colours, focus) {
  const own = roleOf(layer) === "hausumring";
  return [
    {
      id: "hit",
      type: "fill",
      paint: {
        "fill-color": whenMarked(HIGHLIGHT, own ? colours.building : colours.accent),
        "fill-opacity": own ? whenMarked(0.65, 1) : whenMarked(0.3, 0.12),
      },
    },
    {
      id: "line",
      type: "line",
      minzoom: Math.max(layer.minzoom, own ? 15 : 0),
      paint: {
        "line-color": whenMarked(HIGHLIGHT, own && !focus ? colours.outline : colours.accent),
        "line-width": ["interpolate", ["linear"], ["zoom"], 15, 0.4, 17, 1],
      },
    },
  ];
}

const lines = (colours) => [
  { id: "hit", type: "line", paint: { "line-color": whenMarked(HIGHLIGHT, colours.accent), "line-width": 1.5 } },
];

function points(layer, colours, focus) {
  const grow = focus ? 1.5 : 1;
  const own = roleOf(layer) === "adresse";
  const fade = own ? ["interpolate", ["linear"], ["zoom"], 17.2, 1, 17.8, 0] : 1;
  return [
    {
      id: "hit",
      type: "circle",
      paint: {
        "circle-color": whenMarked(HIGHLIGHT, own && !focus ? colours.address : colours.accent),
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 13, 1, 15, 1.6 * grow, 17, 2.6 * grow, 19, 6],
        "circle-opacity": fade,
      },
    },
    {
      id: "mark",
      type: "circle",
      paint: {
        "circle-color": HIGHLIGHT,
        "circle-radius": 5,
        "circle-opacity": whenMarked(1, 0),
        "circle-stroke-color": colours.halo,
        "circle-stroke-width": 2,
        "circle-stroke-opacity": whenMarked(1, 0),
      },
    },
  ];
}

function houseNumbers(colours) {
  return {
    id: "number",
    type: "symbol",
    minzoom: 17,
    layout: {
      "text-field": ["concat", ["coalesce", ["get", "hnr"], ""], ["coalesce", ["get", "adz"], ""]],
      "text-font": FONT,
      "text-size": ["interpolate", ["linear"], ["zoom"], 17, 10, 19, 13],
      "text-padding": 1,
    },
    paint: { "text-color": colours.text, "text-halo-color": colours.halo, "text-halo-width": 1.2 },
  };
}

export function areaNames(dark, font) {
  const colours = dark ? DARK : LIGHT;
  return {
    id: "names",
    type: "symbol",
    source: "labels",
    layout: {
      "text-field": ["get", "name"],
      "text-font": font,
      "text-size": ["interpolate", ["linear"], ["zoom"], 6, 11, 10, 12, 13, 15],
      "text-max-width": 8,
      "text-padding": 1,
      "symbol-sort-key": ["-", 0, ["get", "size"]],
    },
    paint: { "text-color": colours.text, "text-halo-color": colours.halo, "text-halo-width": 1.8, "text-halo-blur": 0.4 },
  };
}

/** Layers that draw the features of this page (items, item) over the ground; id of the source: "page". */
export function pageLayers(colours) {
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
        "circle-stroke-color": colours.halo,
        "circle-stroke-width": 2,
      },
    },
  ];
}

/** The inside of a legend's <svg viewBox="0 0 24 16"> for a layer. */
export function swatch(layer, dark) {
  const colours = dark ? DARK : LIGHT;
  const role = roleOf(layer);
  const paper = `<rect width="24" height="16" fill="${colours.land}"/>`;
  if (RANKS.includes(role)) {
    const dashes = role === "gemeinde" ? ' stroke-dasharray="4 2.5"' : "";
    return `${paper}<path d="M0 11 8 8l7 3 9-6" fill="none" stroke="${colours.boundary[role]}" stroke-width="${WIDTH[role]}"${dashes}/>`;
  }
  if (role === "hausumring") {
    return `${paper}<path d="M5 4h8v4h5v5H5z" fill="${colours.building}" stroke="${colours.outline}"/>`;
  }
  const colour = role === "adresse" ? colours.address : colours.accent;
  if (role === "adresse" || role === "points") return `${paper}<circle cx="12" cy="8" r="3" fill="${colour}"/>`;
  if (role === "lines") return `${paper}<path d="M0 11 8 8l7 3 9-6" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
  return `${paper}<rect x="4" y="3" width="16" height="10" fill="${colour}" fill-opacity=".2" stroke="${colour}"/>`;
}
