// The map as a picture: a PNG with scale bar and attribution, and what is printed.

const PAD = 12;
const FLAT = "2d";

/** A canvas with what the map shows now. The map's own keeps its content only while it is drawn. */
function copyOf(map) {
  map.redraw();
  const source = map.getCanvas();
  const copy = document.createElement("canvas");
  copy.width = source.width;
  copy.height = source.height;
  copy.getContext(FLAT).drawImage(source, 0, 0);
  return copy;
}

export function drawPicture(map) {
  const ratio = map.getCanvas().width / map.getCanvas().clientWidth;
  const view = copyOf(map);
  const picture = document.createElement("canvas");
  const strip = Math.round(36 * ratio);
  picture.width = view.width;
  picture.height = view.height + strip;
  const context = picture.getContext(FLAT);
  context.drawImage(view, 0, 0);
  context.fillStyle = "#ffffff";
  context.fillRect(0, view.height, view.width, strip);
  context.setTransform(ratio, 0, 0, ratio, 0, view.height);
  context.fillStyle = context.strokeStyle = "#1f2326";
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "middle";
  const { width, label } = scaleBar(map);
  const credit = `© ${map.getContainer().querySelector(".maplibregl-ctrl-attrib-inner").textContent}`;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(PAD, 14);
  context.lineTo(PAD, 22);
  context.lineTo(PAD + width, 22);
  context.lineTo(PAD + width, 14);
  context.stroke();
  context.fillText(label, PAD + width + 8, 18);
  context.textAlign = "right";
  const room = view.width / ratio - width - context.measureText(label).width - 4 * PAD;
  context.fillText(credit, view.width / ratio - PAD, 18, room);
  return picture;
}

// as the map's own control has it
function scaleBar(map) {
  const bar = map.getContainer().querySelector(".maplibregl-ctrl-scale");
  return { width: bar.offsetWidth, label: bar.textContent };
}

export function startPictures(map, words) {
  const save = document.querySelector("[data-save]");
  save.addEventListener("click", () => {
    drawPicture(map).toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${words.text("file_name")}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    });
  });
  const print = document.querySelector("[data-print]");
  print.addEventListener("click", () => window.print());
  const image = document.querySelector("[data-print-picture]");
  addEventListener("beforeprint", () => {
    image.src = drawPicture(map).toDataURL();
    document.querySelector("[data-print-address]").textContent = location.href;
  });
  addEventListener("afterprint", () => image.removeAttribute("src"));
  save.disabled = print.disabled = false;
}
