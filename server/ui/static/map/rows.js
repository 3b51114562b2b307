// The table beside the map: pointing at a row marks its feature, and back.

export function litRow(id) {
  for (const row of document.querySelectorAll("[data-items] tr.lit")) row.classList.remove("lit");
  if (id !== undefined) document.querySelector(`[data-items] tr[data-id="${CSS.escape(id)}"]`)?.classList.add("lit");
}

export function linkRows(map, marks) {
  for (const row of document.querySelectorAll("[data-items] tr[data-id]")) {
    for (const event of ["mouseenter", "focusin"]) row.addEventListener(event, () => marks.only("page", row.dataset.id));
    for (const event of ["mouseleave", "focusout"]) row.addEventListener(event, () => marks.only());
  }
}
