// The view in the address: #zoom/lat/lon/layer,layer. A link from another page may give layers only: #layers=a,b.

export function readHash(layers) {
  const known = new Set(layers.map((layer) => layer.id));
  const text = decodeURIComponent(location.hash.slice(1));
  const only = text.match(/^layers=([\w,]*)$/);
  if (only) return { visible: new Set(only[1].split(",").filter((id) => known.has(id))) };
  const [zoom, lat, lon, ids] = text.split("/");
  const numbers = [zoom, lat, lon].map(Number);
  if (!lon || numbers.some(Number.isNaN) || Math.abs(numbers[1]) > 85 || Math.abs(numbers[2]) > 180) return {};
  const view = { zoom: Math.min(Math.max(numbers[0], 0), 22), center: [numbers[2], numbers[1]] };
  return ids === undefined ? { view } : { view, visible: new Set(ids.split(",").filter((id) => known.has(id))) };
}

export function writeHash(map, layers, visible) {
  const { lng, lat } = map.getCenter();
  const zoom = Math.round(map.getZoom() * 100) / 100;
  const ids = layers.map((layer) => layer.id).filter((id) => visible.has(id));
  history.replaceState(history.state, "", `#${zoom}/${lat.toFixed(5)}/${lng.toFixed(5)}/${ids.join(",")}`);
}
