// Names of areas. Vector tiles cut areas into pieces, and a name on each piece would stand there many times:
// so the pieces of a feature are put together again and its name gets one place, as far from its outline as possible.

import { namedLayer } from "./style.js";

const GRID = 9;

export function startLabels(map, config, state) {
  const places = new Map();
  const update = () => {
    const source = map.getSource("labels");
    if (!source) return;
    const layer = namedLayer(config.layers, state.visible, map.getZoom());
    const features = layer?.label ? placed(map, layer, places) : [];
    const key = features.map((f) => `${f.properties.name}${f.geometry.coordinates}`).join();
    if (key === update.last) return;
    update.last = key;
    state.labels = features; // a change of style starts from them, so that names don't vanish meanwhile
    source.setData({ type: "FeatureCollection", features });
  };
  map.on("idle", update);
  return { refresh: () => ((update.last = undefined), update()) };
}

function placed(map, layer, places) {
  const bounds = map.getBounds();
  const view = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
  const level = Math.floor(map.getZoom());
  const pieces = new Map();
  for (const feature of map.querySourceFeatures(layer.id, { sourceLayer: layer.id })) {
    const polygons = feature.geometry.type === "Polygon" ? [feature.geometry.coordinates] : feature.geometry.coordinates;
    const known = pieces.get(feature.id) ?? { name: feature.properties[layer.label], polygons: [] };
    known.polygons.push(...polygons);
    pieces.set(feature.id, known);
  }
  const features = [];
  for (const [id, { name, polygons }] of pieces) {
    if (!name) continue;
    const key = `${layer.id} ${id} ${level}`;
    let place = places.get(key);
    if (!place || !inside(place.at, view)) {
      place = findPlace(polygons, view);
      if (!place) continue;
      places.set(key, place);
    }
    features.push({
      type: "Feature",
      properties: { name, size: place.room },
      geometry: { type: "Point", coordinates: place.at },
    });
  }
  return features;
}

const inside = ([x, y], [west, south, east, north]) => x > west && x < east && y > south && y < north;

function findPlace(polygons, view) {
  const box = intersect(extentOf(polygons), view);
  if (!box) return undefined;
  const squeeze = Math.cos((((box[1] + box[3]) / 2) * Math.PI) / 180);
  let best;
  for (let i = 1; i < GRID; i++) {
    for (let j = 1; j < GRID; j++) {
      const at = [box[0] + ((box[2] - box[0]) * i) / GRID, box[1] + ((box[3] - box[1]) * j) / GRID];
      if (!polygons.some((rings) => contains(rings, at))) continue;
      const room = Math.min(distance(polygons, at, squeeze), toEdge(box, at, squeeze));
      if (!best || room > best.room) best = { at, room };
    }
  }
  return best;
}

function extentOf(polygons) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [outer] of polygons) {
    for (const [x, y] of outer) {
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    }
  }
  return box;
}

function intersect(a, b) {
  const box = [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])];
  return box[0] < box[2] && box[1] < box[3] ? box : undefined;
}

function contains(rings, [x, y]) {
  let within = false;
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [xi, yi] = ring[i];
      const [xj, yj] = ring[j];
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within;
    }
  }
  return within;
}

const toEdge = (box, [x, y], squeeze) =>
  Math.min((x - box[0]) * squeeze, (box[2] - x) * squeeze, y - box[1], box[3] - y);

// Edges along a meridian or parallel are where a tile was cut, not where the area ends
function distance(polygons, [x, y], squeeze) {
  let least = Infinity;
  for (const rings of polygons) {
    for (const ring of rings) {
      for (let i = 1; i < ring.length; i++) {
        const [ax, ay] = ring[i - 1];
        const [bx, by] = ring[i];
        if (Math.abs(ax - bx) < 1e-9 || Math.abs(ay - by) < 1e-9) continue;
        const dx = (bx - ax) * squeeze;
        const dy = by - ay;
        const px = (x - ax) * squeeze;
        const py = y - ay;
        const along = Math.max(0, Math.min(1, (px * dx + py * dy) / (dx * dx + dy * dy)));
        least = Math.min(least, (px - along * dx) ** 2 + (py - along * dy) ** 2);
      }
    }
  }
  return Math.sqrt(least);
}
