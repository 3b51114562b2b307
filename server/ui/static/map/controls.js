// Zoom, whole extent, scale bar, attribution.

export function addControls(maplibre, map, config, words) {
  map.addControl(new maplibre.AttributionControl({ compact: false }));
  if (config.kind === "teaser") return;
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  if (config.bounds) map.addControl(new Home(config.bounds, words.text("home")), "top-right");
  map.addControl(new maplibre.ScaleControl({ maxWidth: 96 }), "bottom-left");
}

class Home {
  constructor(bounds, label) {
    this.bounds = bounds;
    this.label = label;
  }

  onAdd(map) {
    this.element = document.createElement("div");
    this.element.className = "maplibregl-ctrl maplibregl-ctrl-group";
    this.element.innerHTML = `<button type="button" class="home"><svg viewBox="0 0 18 18" aria-hidden="true"><path d="M3 7V3h4M11 3h4v4M15 11v4h-4M7 15H3v-4" fill="none" stroke="currentColor" stroke-width="1.75"/></svg></button>`;
    const button = this.element.firstElementChild;
    button.title = this.label;
    button.setAttribute("aria-label", this.label);
    button.addEventListener("click", () => map.fitBounds(this.bounds, { padding: 24 }));
    return this.element;
  }

  onRemove() {
    this.element.remove();
  }
}
