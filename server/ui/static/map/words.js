// What features are called and how their values read, in the page's language.

export function makeWords(config) {
  const date = new Intl.DateTimeFormat(config.lang, { dateStyle: "long", timeZone: "UTC" });
  const number = new Intl.NumberFormat(config.lang, { maximumFractionDigits: 3 });

  /** The text of a key, with {names} filled in; of a text with plural forms the one for values.n. */
  const text = (key, values = {}) => {
    const found = config.texts[key];
    const chosen = typeof found === "string" ? found : found[values.n === 1 ? "one" : "other"];
    return chosen.replace(/\{(\w+)\}/g, (_, name) =>
      typeof values[name] === "number" ? number.format(values[name]) : values[name],
    );
  };

  const title = (layer, feature) => {
    const values = feature.properties;
    if (values.str) return `${values.str} ${values.hnr ?? ""}${values.adz ?? ""}`.trim();
    return String((layer.label && values[layer.label]) ?? values.id ?? feature.id);
  };

  const value = (property, raw) => {
    if (property.codes[raw]) return `${property.codes[raw]} (${raw})`;
    if (Array.isArray(raw)) return raw.map((one) => value(property, one)).join(", ");
    if (typeof raw === "boolean") return text(raw ? "yes" : "no");
    if (property.type === "date") return Number.isNaN(Date.parse(raw)) ? raw : date.format(new Date(raw));
    if (typeof raw === "number") return number.format(raw) + (property.unit ? `\u00a0${property.unit}` : "");
    return String(raw);
  };

  const kept = config.langGiven ? `?lang=${config.lang}` : "";
  const href = (layer, id, page = `items/${encodeURIComponent(id)}`) =>
    `${config.root}/collections/${layer.id}/${page}${kept}`;

  /** The page behind a link of a JSON document. */
  const page = (address) => {
    const url = new URL(address, location.href);
    url.searchParams.delete("f");
    if (config.langGiven) url.searchParams.set("lang", config.lang);
    return url.pathname + url.search;
  };

  return {
    lang: config.lang, text, title, value, href, page,
    number: number.format,
    date: (instant) => date.format(new Date(instant)),
  };
}
