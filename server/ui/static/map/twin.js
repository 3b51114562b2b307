// The list of the features in view: the accessible twin of the map. Each entry marks its feature and opens its popup.

const MOST = 50;

export function startTwin(map, config, state, words, actions) {
  const box = document.querySelector("[data-list]");
  const groups = box.querySelector("[data-list-groups]");
  const status = box.querySelector("[data-list-state]");
  let timer;
  let shown;
  const update = () => {
    if (!box.open || groups.contains(document.activeElement)) return;
    const found = inView(map, config, state);
    // the same features keep their entries, so that focus can come back from a popup
    const key = found.map(({ layer, features }) => [layer.id, ...features.map(({ id }) => id).sort()]).join();
    if (key === shown) return;
    shown = key;
    groups.replaceChildren(...found.map(({ layer, features }) => group(layer, features, words, actions)));
    const n = found.reduce((sum, { features }) => sum + features.length, 0);
    const hidden = config.layers.some((layer) => state.visible.has(layer.id) && layer.minzoom > map.getZoom());
    status.textContent = n ? words.text("list_count", { n }) : words.text(hidden ? "list_closer" : "list_empty");
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(update, 150);
  };
  map.on("idle", later);
  box.addEventListener("toggle", update);
  groups.addEventListener("focusout", (event) => {
    if (!groups.contains(event.relatedTarget)) later();
  });
  return { refresh: later };
}

function inView(map, config, state) {
  const found = [];
  for (const layer of config.layers) {
    if (!state.visible.has(layer.id) || !map.getLayer(`${layer.id}:hit`)) continue;
    const byId = new Map();
    for (const feature of map.queryRenderedFeatures({ layers: [`${layer.id}:hit`] })) byId.set(feature.id, feature);
    if (byId.size) found.push({ layer, features: [...byId.values()] });
  }
  return found;
}

function group(layer, features, words, actions) {
  const box = document.createElement("div");
  const heading = document.createElement("h3");
  heading.textContent = `${layer.title} (${words.number(features.length)})`;
  const list = document.createElement("ul");
  const named = features.map((feature) => ({ feature, title: words.title(layer, feature) }));
  named.sort((a, b) => a.title.localeCompare(b.title, document.documentElement.lang, { numeric: true }));
  for (const { feature, title } of named.slice(0, MOST)) list.append(entry(layer, feature, title, actions));
  box.append(heading, list);
  if (named.length > MOST) {
    const more = document.createElement("p");
    more.className = "minor";
    more.textContent = words.text("list_more", { n: named.length - MOST });
    box.append(more);
  }
  return box;
}

function entry(layer, feature, title, actions) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = title;
  for (const event of ["mouseenter", "focus"]) button.addEventListener(event, () => actions.mark(layer.id, feature.id));
  for (const event of ["mouseleave", "blur"]) button.addEventListener(event, () => actions.mark());
  button.addEventListener("click", () => actions.choose(layer, feature, button));
  item.append(button);
  return item;
}
