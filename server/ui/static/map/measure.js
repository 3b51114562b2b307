// Distances and areas in the plane of EPSG:25832, as a GIS of the cadastre measures them.

import { HIGHLIGHT } from "./style.js";
import { areaOf, lengthOf, toUtm } from "./utm.js";

const nothing = { type: "FeatureCollection", features: [] };

/** Sources and layers of what is measured, for every style of the map. */
export const measureParts = (state) => ({
  sources: { measure: { type: "geojson", data: state.measured ?? nothing } },
  layers: () => [
    { id: "measure:fill", type: "fill", source: "measure", filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "fill-color": HIGHLIGHT, "fill-opacity": 0.15 } },
    { id: "measure:line", type: "line", source: "measure", filter: ["!=", ["geometry-type"], "Point"],
      paint: { "line-color": HIGHLIGHT, "line-width": 2.5 } },
    { id: "measure:point", type: "circle", source: "measure", filter: ["==", ["geometry-type"], "Point"],
      paint: { "circle-color": "#ffffff", "circle-radius": 4, "circle-stroke-color": HIGHLIGHT, "circle-stroke-width": 2 } },
  ],
});

export function startMeasure(map, container, state, words) {
  const box = container.querySelector("[data-measure]");
  const result = box.querySelector("[role=status]");
  const buttons = [...document.querySelectorAll("[data-measure-kind]")];
  let points = [], ended = false;

  const draw = () => {
    state.measured = { type: "FeatureCollection", features: toFeatures(points, state.measuring) };
    map.getSource("measure")?.setData(state.measured);
    result.textContent = points.length < (state.measuring === "area" ? 3 : 2)
      ? words.text(`measure_${state.measuring}`)
      : sizeText(points.map(toUtm), state.measuring, words);
  };
  const stop = () => {
    state.measuring = undefined;
    points = [];
    state.measured = nothing;
    map.getSource("measure")?.setData(nothing);
    box.hidden = true;
    map.doubleClickZoom.enable();
    map.getCanvas().classList.remove("measuring");
    for (const button of buttons) button.setAttribute("aria-pressed", "false");
  };
  const start = (kind) => {
    stop();
    state.measuring = kind;
    ended = false;
    box.hidden = false;
    map.doubleClickZoom.disable();
    map.getCanvas().classList.add("measuring");
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.measureKind === kind));
    draw();
    container.scrollIntoView({ block: "nearest" });
    map.getCanvas().focus({ preventScroll: true });
  };
  const add = ({ lng, lat }) => {
    if (ended) points = [];
    ended = false;
    points.push([lng, lat]);
    draw();
  };
  const back = () => {
    points.pop();
    draw();
  };
  for (const button of buttons) {
    button.disabled = false;
    button.addEventListener("click", () => (state.measuring === button.dataset.measureKind ? stop() : start(button.dataset.measureKind)));
  }
  box.querySelector("[data-measure-back]").addEventListener("click", back);
  box.querySelector("[data-measure-stop]").addEventListener("click", () => {
    stop();
    map.getCanvas().focus({ preventScroll: true });
  });
  map.on("click", (event) => {
    if (state.measuring) add(event.lngLat);
  });
  // its second click has added the same place again
  map.on("dblclick", () => {
    if (!state.measuring) return;
    back();
    ended = true;
  });
  map.getCanvas().addEventListener("keydown", (event) => {
    if (!state.measuring) return;
    if (event.key === "Enter") add(map.getCenter());
    else if (event.key === "Backspace") back();
    else if (event.key === "Escape") stop();
  });
}

function toFeatures(points, kind) {
  const features = points.map((point) => feature("Point", point));
  if (points.length > 2 && kind === "area") features.unshift(feature("Polygon", [[...points, points[0]]]));
  else if (points.length > 1) features.unshift(feature("LineString", points));
  return features;
}

const feature = (type, coordinates) => ({ type: "Feature", properties: {}, geometry: { type, coordinates } });

function sizeText(points, kind, words) {
  if (kind === "line") return words.text("measured_line", { length: metres(lengthOf(points), words) });
  const around = lengthOf([...points, points[0]]);
  const area = areaOf(points);
  const shown = area < 100_000
    ? `${words.number(Math.round(area))} m²`
    : area < 1_000_000 ? `${words.number(Math.round(area / 100) / 100)} ha` : `${words.number(Math.round(area / 10_000) / 100)} km²`;
  return words.text("measured_area", { area: shown, length: metres(around, words) });
}

const metres = (length, words) =>
  length < 10_000 ? `${words.number(Math.round(length * 10) / 10)} m` : `${words.number(Math.round(length / 10) / 100)} km`;
