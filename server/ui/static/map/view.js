// Where a map begins, and boxes around features.

const NRW = [5.86, 50.32, 9.47, 52.54];
// Below this zoom level whole municipalities fit the screen: collections that begin above it start where data are dense
const OVERVIEW = 11;

export function boundsOf(collection) {
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

/** The page's own features, else the data's extent, else for what shows only from near a place in its middle. */
export function initialView(config, page, middle) {
  const own = page && boundsOf(page);
  if (own) {
    const areas = page.features.some((feature) => !feature.geometry.type.includes("Point"));
    return { bounds: own, fitBoundsOptions: { padding: areas ? 60 : 48, maxZoom: 18 } };
  }
  if (config.view) return { bounds: config.view };
  if (middle) return { center: middle, zoom: focusOf(config).minzoom + 1.5 };
  return { bounds: config.bounds ?? NRW, fitBoundsOptions: { padding: 24 } };
}

const focusOf = (config) => config.layers.find((layer) => layer.id === config.focus);

/** A place with data near the middle of a collection whose tiles begin at a large scale; undefined for others. */
export async function findMiddle(config) {
  const focus = config.kind === "collection" ? focusOf(config) : undefined;
  if (!focus?.bounds || focus.minzoom <= OVERVIEW) return undefined;
  const [west, south, east, north] = focus.bounds;
  const inner = [west * 0.6 + east * 0.4, south * 0.6 + north * 0.4, west * 0.4 + east * 0.6, south * 0.4 + north * 0.6];
  const query = `f=json&limit=50&bbox=${inner.map((number) => number.toFixed(5)).join(",")}`;
  const answer = await fetch(`${config.root}/collections/${focus.id}/items?${query}`);
  const features = answer.ok ? (await answer.json()).features : [];
  if (!features.length) return [(west + east) / 2, (south + north) / 2];
  // neighbours follow one another in the service's order, so the middle one lies among its like
  const box = boundsOf({ features: [features[features.length >> 1]] });
  return [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
}
