"""MapLibre draws the whole map in each style, without a complaint and without asking anyone else."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.clients
# The style is validated as it is set: what is wrong with it comes as an error
DRAW = """async ([style, center, zoom]) => {
  const maplibre = await import("/static/vendor/maplibre-gl/maplibre-gl.mjs");
  maplibre.setWorkerUrl("/static/vendor/maplibre-gl/maplibre-gl-worker.mjs");
  const frame = document.createElement("div");
  frame.style.cssText = "position: fixed; inset: 0; width: 800px; height: 600px";
  document.body.replaceChildren(frame);
  const errors = [];
  const map = new maplibre.Map({ container: frame, style, center, zoom, fadeDuration: 0 });
  map.on("error", (event) => errors.push(String(event.error)));
  await new Promise((done) => map.once("idle", done));
  const drawn = map.queryRenderedFeatures().map((feature) => feature.layer.id);
  return { errors, drawn: [...new Set(drawn)] };
}"""


@pytest.mark.parametrize("style", ["light", "dark", "grey"])
def test_each_style_is_drawn(watch: Callable[..., Any], live_server: str, style: str) -> None:
    query = {"f": "json", "limit": 1}
    feature = httpx.get(f"{live_server}/collections/adresse/items", params=query).json()["features"][0]
    watched = watch(viewport={"width": 800, "height": 600})
    watched.page.goto(f"{live_server}/privacy")
    found = {}
    for zoom in (9, 15, 17.5):
        seen = watched.page.evaluate(DRAW, [f"{live_server}/styles/{style}", feature["geometry"]["coordinates"], zoom])
        assert seen["errors"] == []
        found[zoom] = set(seen["drawn"])
        if folder := os.environ.get("OPENNRW_SCREENSHOTS"):
            (Path(folder) / f"style-{style}-{zoom}.png").write_bytes(watched.page.screenshot())
    assert {"land:line1", "kreis:line0", "kreis:label0"} <= found[9]
    assert {"adresse:circle0", "hausumring:line4"} <= found[15]
    assert "adresse:label0" in found[17.5], "house numbers"
    assert not any(name.startswith("gemeinde_generalisiert") for names in found.values() for name in names)
    assert any("/fonts/Open%20Sans%20Regular/0-255.pbf" in url for url in watched.requested)
