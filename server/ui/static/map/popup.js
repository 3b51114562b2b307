// The popup of a feature: what it is, its attributes, a link to its page, and what else lies there.

const MOST = 8; // of what else lies there

const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

/** @param found [{layer, feature}], the first is shown, the others are offered; onChoose(index) shows another.
 * details(layer, id) tells what the tile doesn't hold.
 */
export function popupContent(found, words, details, onChoose) {
  const [{ layer, feature }, ...others] = found;
  const box = make("div", "popup");
  if (feature.id === undefined) return grouped(box, layer, feature, words);
  box.append(make("h3", "", words.title(layer, feature)), make("p", "kind", layer.title));
  const list = make("dl");
  for (const property of layer.properties) {
    const raw = feature.properties[property.name];
    if (raw === undefined || raw === null || raw === "" || property.name === layer.label) continue;
    list.append(make("dt", "", property.title), make("dd", "", words.value(property, raw)));
  }
  const origin = make("p", "origin");
  const link = make("a", "", words.text("open"));
  link.href = words.href(layer, feature.id);
  box.append(list, origin, link);
  if (others.length) box.append(alsoHere(others, words, onChoose));
  tell(list, origin, layer, feature, words, details).catch((error) => console.info(error));
  return box;
}

/** Of what a pyramid has put together there is a number, and no page. */
function grouped(box, layer, feature, words) {
  const n = feature.properties.count;
  box.append(make("h3", "", n ? `${layer.title}: ${words.number(n)}` : layer.title), make("p", "kind", words.text("closer")));
  return box;
}

async function tell(list, origin, layer, feature, words, details) {
  const found = await details(layer, feature.id);
  if (!found) return;
  const known = words.title(layer, feature);
  list.replaceChildren(
    ...found.rows.filter(([, text]) => text !== known).flatMap(([title, text]) => [make("dt", "", title), make("dd", "", text)]),
  );
  if (!found.delivery) return;
  const { id, dataset, finished } = found.delivery;
  origin.textContent = words.text("delivery", { id: String(id), dataset, date: words.date(finished) });
  const link = make("a", "", words.text("provenance"));
  link.href = words.href(layer, undefined, "provenance");
  origin.append(" ", link);
}

/** The popup of something found by its name. */
export function hitContent(hit, words) {
  const box = make("div", "popup");
  const { label, kind, exact } = hit.properties;
  box.append(make("h3", "", label), make("p", "kind", words.text(exact === false ? "nearest" : `kind_${kind}`)));
  const link = make("a", "", words.text(hit.links[0].rel === "item" ? "open" : "open_items"));
  link.href = words.page(hit.links[0].href);
  box.append(link);
  return box;
}

function alsoHere(others, words, onChoose) {
  const also = make("div", "also", words.text("also_here"));
  const list = make("ul");
  others.slice(0, MOST).forEach(({ layer, feature }, index) => {
    const item = make("li");
    const button = make("button", "link", `${layer.title}: ${words.title(layer, feature)}`);
    button.type = "button";
    button.addEventListener("click", () => onChoose(index + 1));
    item.append(button);
    list.append(item);
  });
  also.append(list);
  if (others.length > MOST) also.append(words.text("list_more", { n: others.length - MOST }));
  return also;
}
