// Maps: the overview with its layer list, and the maps of collections, items and single features.

import { startLabels } from "./map/labels.js";
import { readHash, writeHash } from "./map/permalink.js";
import { popupContent } from "./map/popup.js";
import { buildStyle, hitLayers, isDark, pageLayers, swatch } from "./map/style.js";
import { startTwin } from "./map/twin.js";
import { makeWords } from "./map/words.js";

const NRW = [5.86, 50.32, 9.47, 52.54];

async function start(frame) {
  const config = JSON.parse(frame.querySelector("[data-map-config]").textContent);
  const words = makeWords(config);
  const container = frame.querySelector("[data-map]");
  const note = (key) => {
    const element = container.querySelector("[data-map-note]");
    element.textContent = words.text(key);
    element.hidden = false;
  };
  let maplibre;
  try {
    maplibre = await import(config.maplibre);
    maplibre.setWorkerUrl(new URL(config.worker, location.href).href);
  } catch (error) {
    console.warn(error);
    return note("no_data");
  }
  const page = await pageFeatures(config);
  const hash = config.kind === "overview" ? readHash(config.layers) : {};
  const state = {
    visible: hash.visible ?? new Set(config.layers.filter((layer) => layer.visible).map((layer) => layer.id)),
    page,
  };
  // the page's own features stand in for their collection's tiles
  if (page && config.kind === "items") state.visible.delete(config.focus);
  let map;
  try {
    map = makeMap(maplibre, container, config, state, words, hash.view);
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
  url.searchParams.delete("lang");
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
  if (!state.page) return buildStyle(config, state.visible, isDark());
  return buildStyle(config, state.visible, isDark(), {
    sources: { page: { type: "geojson", data: state.page, promoteId: "id" } },
    layers: pageLayers,
  });
}

function makeMap(maplibre, container, config, state, words, view) {
  const page = config.kind !== "overview" && config.kind !== "items";
  const canvas = document.createElement("div");
  canvas.className = "map-canvas";
  container.prepend(canvas);
  const map = new maplibre.Map({
    container: canvas,
    style: styleOf(config, state),
    ...(view ?? initialView(config, state)),
    interactive: config.kind !== "teaser",
    cooperativeGestures: page,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    maxPitch: 0,
    maxZoom: 20,
    fadeDuration: 0,
    locale: {
      "Map.Title": words.text("map_title"),
      "NavigationControl.ZoomIn": words.text("zoom_in"),
      "NavigationControl.ZoomOut": words.text("zoom_out"),
      "Popup.Close": words.text("close"),
      "AttributionControl.ToggleAttribution": words.text("attribution"),
      "CooperativeGesturesHandler.WindowsHelpText": words.text("gesture_wheel"),
      "CooperativeGesturesHandler.MacHelpText": words.text("gesture_wheel_mac"),
      "CooperativeGesturesHandler.MobileHelpText": words.text("gesture_touch"),
    },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  return map;
}

function initialView(config, state) {
  const own = config.kind === "item" || config.kind === "items" ? boundsOf(state.page) : undefined;
  if (own) {
    const areas = state.page.features.some((feature) => !feature.geometry.type.includes("Point"));
    return { bounds: own, fitBoundsOptions: { padding: areas ? 60 : 48, maxZoom: 18 } };
  }
  const bounds = config.bounds ?? NRW;
  const focus = config.layers.find((layer) => layer.id === config.focus);
  if (focus?.bounds && focus.minzoom > 11) {
    const [west, south, east, north] = focus.bounds;
    return { center: [(west + east) / 2, (south + north) / 2], zoom: focus.minzoom + 1 };
  }
  return { bounds, fitBoundsOptions: { padding: 24 } };
}

function boundsOf(collection) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  const walk = (part) => {
    if (typeof part[0] !== "number") return part.forEach(walk);
    box[0] = Math.min(box[0], part[0]);
    box[1] = Math.min(box[1], part[1]);
    box[2] = Math.max(box[2], part[0]);
    box[3] = Math.max(box[3], part[1]);
  };
  collection.features.forEach((feature) => walk(feature.geometry.coordinates));
  return box[0] === Infinity ? undefined : box;
}

function run(maplibre, map, container, config, state, words) {
  const labels = startLabels(map, config, state);
  const marks = makeMarks(map, config);
  const popups = config.kind === "teaser" ? undefined : makePopups(maplibre, map, container, config, state, words, marks);
  addControls(maplibre, map, config, words);
  watchProgress(map, container, config, state, words);
  const rescheme = () => {
    map.setStyle(styleOf(config, state));
    map.once("idle", labels.refresh);
    drawSwatches(config);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rescheme);
  document.addEventListener("schemechange", rescheme);
  if (config.kind === "overview") {
    const twin = startTwin(map, config, state, words, { mark: marks.only, choose: popups.choose });
    startLayerList(map, config, state, () => {
      labels.refresh();
      twin.refresh();
    });
  }
  if (config.kind === "items") linkRows(map, marks);
  container.dataset.ready = "";
  window.dispatchEvent(new CustomEvent("mapready", { detail: map }));
}

function addControls(maplibre, map, config, words) {
  const custom = config.attribution;
  map.addControl(new maplibre.AttributionControl({ compact: innerWidth < 600, customAttribution: escapeHtml(custom) }));
  if (config.kind === "teaser") return;
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  if (config.bounds) map.addControl(new Home(config.bounds, words.text("home")), "top-right");
  map.addControl(new maplibre.ScaleControl({ maxWidth: 96 }), "bottom-left");
}

const escapeHtml = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

class Home {
  constructor(bounds, label) {
    this.bounds = bounds;
    this.label = label;
  }

  onAdd(map) {
    this.element = document.createElement("div");
    this.element.className = "maplibregl-ctrl maplibregl-ctrl-group";
    this.element.innerHTML = `<button type="button" class="home"><svg viewBox="0 0 18 18" aria-hidden="true"><path d="M3 7V3h4M11 3h4v4M15 11v4h-4M7 15H3v-4" fill="none" stroke="currentColor" stroke-width="1.75"/></svg></button>`;
    const button = this.element.firstElementChild;
    button.title = this.label;
    button.setAttribute("aria-label", this.label);
    button.addEventListener("click", () => map.fitBounds(this.bounds, { padding: 24 }));
    return this.element;
  }

  onRemove() {
    this.element.remove();
  }
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

// At most one feature is marked by pointer or focus, and one by being chosen.
function makeMarks(map, config) {
  const at = (id) => (id.source === "page" ? id : { source: id.source, sourceLayer: id.source, id: id.id });
  const kept = { hover: undefined, chosen: undefined };
  const set = (kind, source, id) => {
    const before = kept[kind];
    kept[kind] = source === undefined ? undefined : { source, id };
    if (before) map.setFeatureState(at(before), { lit: false });
    for (const one of [kept.hover, kept.chosen]) if (one && map.getSource(one.source)) map.setFeatureState(at(one), { lit: true });
  };
  return {
    only: (source, id) => set("hover", source, id),
    choose: (source, id) => set("chosen", source, id),
    layer: (feature) => config.layers.find((layer) => layer.id === (feature.source === "page" ? config.focus : feature.source)),
  };
}

function makePopups(maplibre, map, container, config, state, words, marks) {
  let popup;
  const queried = () => [
    ...(state.page ? ["page:point", "page:line", "page:fill"] : []),
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
        const key = `${layer.id} ${feature.id}`;
        return !seen.has(key) && seen.add(key);
      });
  };
  const open = (found, at, index, back) => {
    const ordered = [found[index], ...found.filter((_, i) => i !== index)];
    popup?.remove();
    const { feature } = ordered[0];
    popup = new maplibre.Popup({ maxWidth: "336px", focusAfterOpen: true })
      .setLngLat(at)
      .setDOMContent(popupContent(ordered, words, (i) => open(ordered, at, i, back)))
      .addTo(map);
    marks.choose(feature.source, feature.id);
    const mine = popup;
    popup.on("close", () => {
      if (popup !== mine) return;
      popup = undefined;
      marks.choose();
      (back?.isConnected ? back : map.getCanvas()).focus({ preventScroll: true });
    });
  };
  map.on("click", (event) => {
    const found = findAt(event.point, 4);
    if (found.length) open(found, event.lngLat, 0);
  });
  hover(map, findAt, marks);
  keyboard(map, container, () => {
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

function litRow(id) {
  for (const row of document.querySelectorAll("[data-items] tr.lit")) row.classList.remove("lit");
  if (id !== undefined) document.querySelector(`[data-items] tr[data-id="${CSS.escape(id)}"]`)?.classList.add("lit");
}

function linkRows(map, marks) {
  for (const row of document.querySelectorAll("[data-items] tr[data-id]")) {
    for (const event of ["mouseenter", "focusin"]) row.addEventListener(event, () => marks.only("page", row.dataset.id));
    for (const event of ["mouseleave", "focusout"]) row.addEventListener(event, () => marks.only());
  }
}

function drawSwatches(config) {
  for (const svg of document.querySelectorAll("[data-swatch]")) {
    const layer = config.layers.find(({ id }) => id === svg.dataset.swatch);
    if (layer) svg.innerHTML = swatch(layer, isDark());
  }
}

function startLayerList(map, config, state, changed) {
  const boxes = [...document.querySelectorAll("[data-layers] input")];
  const show = () => {
    for (const box of boxes) {
      box.checked = state.visible.has(box.value);
      if (box.checked) box.closest("details").open = true;
    }
    for (const layer of map.getStyle().layers) {
      const id = layer.id.split(":")[0];
      if (layer.id.includes(":") && layer.source === id) {
        map.setLayoutProperty(layer.id, "visibility", state.visible.has(id) ? "visible" : "none");
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
      writeHash(map, config.layers, state.visible);
      changed();
    });
  }
  drawSwatches(config);
  map.on("moveend", () => writeHash(map, config.layers, state.visible));
  addEventListener("hashchange", () => {
    const { view, visible } = readHash(config.layers);
    if (visible) state.visible = visible;
    show();
    if (view) map.jumpTo(view);
    changed();
  });
}

for (const frame of document.querySelectorAll(".map-frame")) start(frame);
