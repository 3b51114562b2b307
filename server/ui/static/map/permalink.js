// The view in the address: #zoom/lat/lon/layer,layer/style/bearing,pitch, the last in three dimensions only. A link from
// another page may give layers only: #layers=a,b.

export const STYLES = ["light", "dark", "grey"];
// in degrees from looking straight down
export const STEEPEST = 70;

export function readHash(layers) {
  const known = new Set(layers.map((layer) => layer.id));
  const chosen = (ids) => new Set(ids.split(",").filter((id) => known.has(id)));
  const text = readable(location.hash.slice(1));
  const only = text.match(/^layers=([\w,]*)$/);
  if (only) return { visible: chosen(only[1]) };
  const [zoom, lat, lon, ids, style, tilt] = text.split("/");
  const numbers = [zoom, lat, lon].map(Number);
  if (!lon || numbers.some(Number.isNaN) || Math.abs(numbers[1]) > 85 || Math.abs(numbers[2]) > 180) return {};
  return {
    view: { zoom: Math.min(Math.max(numbers[0], 0), 22), center: [numbers[2], numbers[1]] },
    visible: ids === undefined ? undefined : chosen(ids),
    style: STYLES.includes(style) ? style : undefined,
    tilt: readTilt(tilt),
  };
}

const readTilt = (text) => {
  const [bearing, pitch] = (text ?? "").split(",").map(Number);
  return Math.abs(bearing) <= 180 && pitch >= 0 && pitch <= STEEPEST ? { bearing, pitch } : undefined;
};

const readable = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // a half percent sign is no view
  }
};

function toHash(map, layers, state) {
  const { lng, lat } = map.getCenter();
  const zoom = Math.round(map.getZoom() * 100) / 100;
  const ids = layers.map((layer) => layer.id).filter((id) => state.visible.has(id));
  const parts = [zoom, lat.toFixed(5), lng.toFixed(5), ids.join(",")];
  if (state.style || state.tilt) parts.push(state.style ?? "");
  if (state.tilt) parts.push(`${Math.round(map.getBearing())},${Math.round(map.getPitch())}`);
  return `#${parts.join("/")}`;
}

export const writeHash = (map, layers, state) =>
  history.replaceState(history.state, "", toHash(map, layers, state));

/** The link of an embedded map to the same view of the whole one. */
export function startLarger(map, config, state) {
  const link = document.querySelector("[data-larger]");
  const point = () => (link.hash = toHash(map, config.layers, state));
  map.on("moveend", point);
  point();
}
