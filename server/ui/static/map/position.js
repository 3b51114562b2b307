// Coordinates below the map: of the pointer, or of the map's centre where there is none (touch, keyboard).

import { toUtm } from "./utm.js";

export function startPosition(map, words) {
  const bar = document.querySelector("[data-position]");
  const fields = Object.fromEntries(["what", "utm", "degrees"].map((name) => [name, bar.querySelector(`[data-${name}]`)]));
  const metres = new Intl.NumberFormat(words.lang, { maximumFractionDigits: 0 });
  const degrees = new Intl.NumberFormat(words.lang, { minimumFractionDigits: 5, maximumFractionDigits: 5 });
  const show = ({ lng, lat }, key) => {
    const [east, north] = toUtm([lng, lat]);
    fields.what.textContent = words.text(key);
    fields.utm.textContent = words.text("utm", { east: metres.format(east), north: metres.format(north) });
    fields.degrees.textContent = words.text("degrees", { lat: degrees.format(lat), lon: degrees.format(lng) });
  };
  const centre = () => show(map.getCenter(), "position_centre");
  let pointed = false;
  map.on("mousemove", (event) => {
    pointed = true;
    show(event.lngLat, "position_pointer");
  });
  map.getCanvas().addEventListener("mouseleave", () => {
    pointed = false;
    centre();
  });
  map.on("move", () => {
    if (!pointed) centre();
  });
  centre();
  bar.hidden = false;
}
