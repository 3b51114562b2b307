// Maps: the overview with its layer list, and the maps of collections, items and single features.

import { makeMarks, makePopups } from "./map/choose.js";
import { addControls } from "./map/controls.js";
import { startLabels } from "./map/labels.js";
import { drawSwatches, startLayerList, startStyles } from "./map/layers.js";
import { measureParts, startMeasure } from "./map/measure.js";
import { readHash, startLarger } from "./map/permalink.js";
import { startPictures } from "./map/picture.js";
import { startPosition } from "./map/position.js";
import { linkRows } from "./map/rows.js";
import { startSearch } from "./map/search.js";
import { startShare } from "./map/share.js";
import { drawnLayers, drawSheet, readSheet } from "./map/sheet.js";
import { startSolid } from "./map/solid.js";
import { credit, pageLayers } from "./map/style.js";
import { startTwin } from "./map/twin.js";
import { findMiddle, initialView } from "./map/view.js";
import { makeWords } from "./map/words.js";

async function start(frame) {
  const config = JSON.parse(frame.querySelector("[data-map-config]").textContent);
  const words = makeWords(config);
  const container = frame.querySelector("[data-map]");
  const note = (key) => {
    const element = container.querySelector("[data-map-note]");
    element.textContent = words.text(key);
    element.hidden = false;
  };
  const hash = config.kind === "overview" ? readHash(config.layers) : {};
  const state = {
    visible: hash.visible ?? new Set(config.layers.filter((layer) => layer.visible).map((layer) => layer.id)),
    style: config.style ?? hash.style,
    tilt: hash.tilt,
  };
  let maplibre, middle, map;
  try {
    [maplibre, state.page, state.sheet] = await Promise.all([import(config.maplibre), pageFeatures(config), readSheet(config, state)]);
    maplibre.setWorkerUrl(new URL(config.worker, location.href).href);
    config.layers = drawnLayers(state.sheet, config.layers);
    middle = await findMiddle(config);
  } catch (error) {
    console.warn(error);
    return note("no_data");
  }
  try {
    map = makeMap(maplibre, container, config, state, words, hash.view ?? initialView(config, state.page, middle));
  } catch (error) {
    console.warn(error);
    return note("no_webgl");
  }
  run(maplibre, map, container, config, state, words);
}

async function pageFeatures(config) {
  if (config.kind === "item") return asCollection([config.feature]);
  if (config.kind !== "items") return undefined;
  const url = new URL(location.href);
  url.searchParams.set("f", "json");
  for (const name of ["lang", "crs"]) url.searchParams.delete(name);
  url.searchParams.set("limit", Math.max(1, document.querySelectorAll("[data-items] tr[data-id]").length));
  url.hash = "";
  const answer = await fetch(url);
  return answer.ok ? asCollection((await answer.json()).features) : asCollection([]);
}

const asCollection = (features) => ({
  type: "FeatureCollection",
  features: features
    .filter((feature) => feature.geometry)
    .map((feature) => ({ ...feature, properties: { ...feature.properties, id: feature.id } })),
});

function styleOf(config, state) {
  if (!state.page) return drawSheet(state.sheet, config, state, measureParts(state));
  const focus = config.layers.find((layer) => layer.id === config.focus);
  return drawSheet(state.sheet, config, state, {
    sources: { page: { type: "geojson", data: state.page, promoteId: "id", attribution: credit(focus) } },
    layers: pageLayers,
  });
}

function makeMap(maplibre, container, config, state, words, view) {
  const page = config.kind !== "overview" && config.kind !== "items"; // else scrolling the page would zoom the map
  const canvas = document.createElement("div");
  canvas.className = "map-canvas";
  container.prepend(canvas);
  const map = new maplibre.Map({
    container: canvas,
    style: styleOf(config, state),
    ...view,
    interactive: config.kind !== "teaser",
    cooperativeGestures: page,
    attributionControl: false,
    dragRotate: false,
    touchPitch: false,
    maxPitch: 0,
    maxZoom: 20,
    fadeDuration: 0,
    locale: {
      "Map.Title": words.text("map_title"),
      "NavigationControl.ZoomIn": words.text("zoom_in"),
      "NavigationControl.ZoomOut": words.text("zoom_out"),
      "Popup.Close": words.text("close"),
      "CooperativeGesturesHandler.WindowsHelpText": words.text("gesture_wheel"),
      "CooperativeGesturesHandler.MacHelpText": words.text("gesture_wheel_mac"),
      "CooperativeGesturesHandler.MobileHelpText": words.text("gesture_touch"),
    },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  return map;
}

function run(maplibre, map, container, config, state, words) {
  const labels = startLabels(map, config, state);
  const marks = makeMarks(map, config);
  const popups = config.kind === "teaser" ? undefined : makePopups(maplibre, map, container, config, state, words, marks);
  addControls(maplibre, map, config, words);
  watchProgress(map, container, config, state, words);
  const rescheme = async () => {
    state.sheet = await readSheet(config, state);
    map.setStyle(styleOf(config, state));
    map.once("idle", labels.refresh);
    drawSwatches(state.sheet);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rescheme);
  document.addEventListener("schemechange", rescheme);
  if (config.kind === "overview") {
    startStyles(map, config, state, rescheme);
    startSolid(map, config, state);
    startMeasure(map, container, state, words);
    startPosition(map, words);
    startPictures(map, words);
    startShare(map, state);
    startSearch(map, config, words, (hit) => {
      const [west, south, east, north] = hit.bbox ?? [];
      if (hit.bbox) map.fitBounds([west, south, east, north], { padding: 48, maxZoom: 17 });
      else map.flyTo({ center: hit.geometry.coordinates, zoom: Math.max(map.getZoom(), 18) });
      popups.tell(hit);
    });
    const twin = startTwin(map, config, state, words, { mark: marks.only, choose: popups.choose });
    startLayerList(map, config, state, () => {
      labels.refresh();
      twin.refresh();
    });
  }
  if (config.kind === "embedded") {
    startLarger(map, config, state);
    // for our own page that makes snippets, and for no other
    map.on("moveend", ({ originalEvent }) => {
      const message = { type: "opennrw:view", bbox: map.getBounds().toArray().flat() };
      if (originalEvent) parent.postMessage(message, location.origin);
    });
  }
  if (config.kind === "items") linkRows(map, marks);
  container.dataset.ready = "";
  window.dispatchEvent(new CustomEvent("mapready", { detail: map }));
}

// A thin line where something takes longer than 300 ms; a hint where layers need a closer look.
function watchProgress(map, container, config, state, words) {
  const bar = container.querySelector(".map-progress");
  const hint = container.querySelector("[data-map-hint]");
  let timer;
  let failed = false;
  map.on("dataloading", () => {
    timer ??= setTimeout(() => (bar.hidden = false), 300);
  });
  map.on("movestart", () => (failed = false));
  map.on("error", (event) => {
    failed = true;
    console.warn(event.error?.message);
  });
  map.on("idle", () => {
    clearTimeout(timer);
    timer = undefined;
    bar.hidden = true;
    const far = config.layers.filter((layer) => state.visible.has(layer.id) && layer.minzoom > map.getZoom());
    const matters = config.kind === "collection" || config.kind === "overview";
    const titles = far.filter((layer) => config.kind === "overview" || layer.id === config.focus);
    showHint(failed ? words.text("tile_error") : matters && titles.length ? closer(words, titles) : "");
    for (const note of document.querySelectorAll("[data-zoom-note]")) {
      note.hidden = !far.some((layer) => layer.id === note.dataset.zoomNote);
    }
  });
  const showHint = (text) => {
    hint.hidden = !text || (config.kind === "overview" && !failed);
    if (hint.textContent !== text) hint.textContent = text;
  };
}

const closer = (words, layers) => words.text("zoom_hint", { titles: layers.map((layer) => layer.title).join(", ") });

for (const frame of document.querySelectorAll(".map-frame")) start(frame);
