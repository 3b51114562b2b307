// The page that makes snippets: what is chosen goes into the address, the preview and the snippets, without loading anew.

import { startCopy, startTabs } from "./parts.js";

const form = document.querySelector("[data-embed]");
const preview = document.querySelector("[data-preview]");
const boxes = [...form.querySelectorAll("[type=checkbox]")];
let timer;
let request;

function address(path) {
  const url = new URL(path, location.href);
  url.search = "";
  for (const [name, value] of new FormData(form)) if (value) url.searchParams.set(name, value);
  return url;
}

/** The page's own text for what is chosen now; `redraw`: the preview, too, which has not shown it yet. */
async function update(redraw) {
  form.elements.collections.value = boxes.filter((box) => box.checked).map((box) => box.value).join(",");
  const here = address(location.href);
  request?.abort();
  request = new AbortController();
  try {
    const answer = await fetch(here, { signal: request.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-snippets]");
    if (!fresh) return location.assign(here); // that page says what is wrong
    const tabs = [...document.querySelectorAll("[data-snippets] [role=tab]")];
    document.querySelector("[data-snippets]").replaceWith(document.adoptNode(fresh));
    fresh.querySelectorAll("[data-copy]").forEach(startCopy);
    startTabs(fresh.querySelector("[data-tabs]"), 0, tabs.findIndex((tab) => tab.ariaSelected === "true"));
    history.replaceState(history.state, "", here);
    if (redraw) preview.contentWindow.location.replace(address(preview.src));
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

for (const box of boxes) box.disabled = false;
form.addEventListener("change", () => {
  if (boxes.every((box) => !box.checked)) return; // a map of nothing
  update(true);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  update(true);
});
addEventListener("message", (event) => {
  if (event.source !== preview.contentWindow || event.data?.type !== "opennrw:view") return;
  form.elements.bbox.value = event.data.bbox.map((side) => side.toFixed(5)).join(",");
  clearTimeout(timer);
  timer = setTimeout(update, 300, false);
});
