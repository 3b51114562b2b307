// What the service knows about a feature beyond its tile: all attributes with their titles, and the delivery they are from.

export function makeDetails(config, words) {
  const lang = `f=json&lang=${config.lang}`;
  const kept = new Map();
  const read = (path) => {
    if (!kept.has(path)) kept.set(path, fetch(`${config.root}/collections/${path}`).then((a) => (a.ok ? a.json() : undefined)));
    return kept.get(path);
  };

  /** {rows: [[title, text]], delivery} of a feature; undefined where the service doesn't tell. */
  return async (layer, id) => {
    const [item, schema, provenance] = await Promise.all([
      read(`${layer.id}/items/${encodeURIComponent(id)}?${lang}`),
      read(`${layer.id}/schema?${lang}`),
      read(`${layer.id}/provenance?${lang}`),
    ]);
    if (!item || !schema) return undefined;
    const rows = Object.entries(item.properties)
      .filter(([name, value]) => schema.properties[name] && name !== "delivery" && value !== null && value !== "")
      .map(([name, value]) => [schema.properties[name].title ?? name, words.value(toProperty(schema.properties[name]), value)]);
    const delivery = provenance?.deliveries.find((known) => known.id === item.properties.delivery);
    return { rows, delivery };
  };
}

const toProperty = (schema) => ({
  type: schema.format ?? schema.type,
  unit: schema["x-ogc-unit"],
  codes: Object.fromEntries((schema.oneOf ?? []).map((code) => [code.const, code.title])),
});
