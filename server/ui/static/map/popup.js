// The popup of a feature: what it is, its attributes, a link to its page, and what else lies there.

const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

/** @param found [{layer, feature}], the first is shown, the others are offered; onChoose(index) shows another. */
export function popupContent(found, words, onChoose) {
  const [{ layer, feature }, ...others] = found;
  const box = make("div", "popup");
  box.append(make("h3", "", words.title(layer, feature)), make("p", "kind", layer.title));
  const list = make("dl");
  for (const property of layer.properties) {
    const raw = feature.properties[property.name];
    if (raw === undefined || raw === null || raw === "" || property.name === layer.label) continue;
    list.append(make("dt", "", property.title), make("dd", "", words.value(property, raw)));
  }
  if (list.children.length) box.append(list);
  const link = make("a", "", words.text("open"));
  link.href = words.href(layer, feature.id);
  box.append(link);
  if (others.length) box.append(alsoHere(others, words, onChoose));
  return box;
}

function alsoHere(others, words, onChoose) {
  const also = make("div", "also", words.text("also_here"));
  const list = make("ul");
  others.forEach(({ layer, feature }, index) => {
    const item = make("li");
    const button = make("button", "link", `${layer.title}: ${words.title(layer, feature)}`);
    button.type = "button";
    button.addEventListener("click", () => onChoose(index + 1));
    item.append(button);
    list.append(item);
  });
  also.append(list);
  return also;
}
