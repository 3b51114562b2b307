// The search box: suggestions while somebody types, after the ARIA pattern of a combobox with a list.

const WAIT = 150; // milliseconds after the last key

export function startSearch(map, config, words, show) {
  const form = document.querySelector("[data-search]");
  const input = form.querySelector("input[type=search]");
  const list = form.querySelector("[role=listbox]");
  const status = form.querySelector("[role=status]");
  let timer, request, asked, hits = [], active = -1;

  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (index) => {
    active = (index + hits.length) % hits.length;
    [...list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === active)));
    list.children[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", list.children[active].id);
  };
  const choose = (hit) => {
    input.value = hit.properties.label;
    close();
    status.textContent = "";
    show(hit);
  };
  const fill = (found) => {
    hits = found;
    list.replaceChildren(...hits.map((hit, i) => option(hit, i, words, () => choose(hit))));
    close();
    list.hidden = !hits.length;
    input.setAttribute("aria-expanded", String(hits.length > 0));
    status.textContent = hits.length ? words.text("search_found", { n: hits.length }) : words.text("search_nothing");
    status.classList.toggle("visually-hidden", hits.length > 0);
  };
  const ask = async () => {
    const text = input.value.trim();
    request?.abort();
    if (text.length < 2) {
      fill([]);
      status.textContent = "";
      return;
    }
    request = new AbortController();
    asked = text;
    try {
      fill(await suggestions(map, config, text, request.signal));
    } catch (error) {
      if (error.name !== "AbortError") status.textContent = words.text("search_failed");
    }
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !hits.length) return;
    event.preventDefault();
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(active < 0 && step < 0 ? -1 : active + step);
  });
  input.addEventListener("blur", close);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(timer);
    if (active < 0 && input.value.trim() !== asked) await ask();
    const hit = hits[Math.max(active, 0)];
    if (hit) choose(hit);
  });
}

async function suggestions(map, config, text, signal) {
  const view = map.getBounds().toArray().flat().map((value) => value.toFixed(4));
  const query = new URLSearchParams({ q: text.slice(0, 200), limit: 7, bbox: view.join(","), f: "json", lang: config.lang });
  const answer = await fetch(`${config.root}/search?${query}`, { signal });
  if (!answer.ok) throw new Error(`search: ${answer.status}`);
  return (await answer.json()).features;
}

function option(hit, index, words, choose) {
  const item = document.createElement("li");
  item.id = `hit-${index}`;
  item.role = "option";
  item.setAttribute("aria-selected", "false");
  const kind = document.createElement("span");
  kind.className = "minor";
  kind.textContent = words.text(`kind_${hit.properties.kind}`);
  item.append(hit.properties.label, " ", kind);
  // before the input loses focus, which would close the list
  item.addEventListener("mousedown", (event) => event.preventDefault());
  item.addEventListener("click", choose);
  return item;
}
