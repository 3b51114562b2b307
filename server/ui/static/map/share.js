// What takes the map elsewhere: its address, and the page that makes snippets for other people's pages.

import { copyText } from "../copy.js";

export function startShare(map, state) {
  const copy = document.querySelector("[data-share]");
  const label = copy.textContent;
  copy.disabled = false;
  copy.addEventListener("click", async () => {
    await copyText(location.href);
    copy.textContent = copy.dataset.done;
    setTimeout(() => (copy.textContent = label), 2000);
  });
  const embed = document.querySelector("[data-embed-link]");
  const point = () => {
    const page = new URL(embed.href);
    page.searchParams.set("bbox", map.getBounds().toArray().flat().map((side) => side.toFixed(5)).join(","));
    page.searchParams.set("collections", [...state.visible].join(","));
    if (state.style) page.searchParams.set("style", state.style);
    else page.searchParams.delete("style");
    embed.href = page;
  };
  for (const event of ["focus", "pointerenter", "pointerdown"]) embed.addEventListener(event, point);
}
