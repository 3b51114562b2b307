// What pages do beyond HTML: switch of the colour scheme, tidy filter forms, and their parts.

import { startCopy, startTabs } from "./parts.js";

const SCHEMES = ["auto", "light", "dark"];

function startTheme(button) {
  const label = button.querySelector("span");
  const current = () => document.documentElement.dataset.theme ?? "auto";
  const show = () => {
    label.textContent = button.dataset[current()];
    button.title = label.textContent;
  };
  button.addEventListener("click", () => {
    const next = SCHEMES[(SCHEMES.indexOf(current()) + 1) % SCHEMES.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      if (next === "auto") localStorage.removeItem("theme");
      else localStorage.setItem("theme", next);
    } catch {
      // storage is forbidden: the choice lasts for this page
    }
    show();
    document.dispatchEvent(new CustomEvent("schemechange"));
  });
  show();
  button.hidden = false;
}

// An empty field means "no condition", not "equals nothing": it stays out of the URL.
function startFilter(form) {
  const fields = () => [...form.elements].filter((field) => "blank" in field.dataset);
  form.addEventListener("submit", () => {
    for (const field of fields()) if (!field.value) field.disabled = true;
  });
  addEventListener("pageshow", () => {
    for (const field of fields()) field.disabled = false;
  });
}

// A link to a part of the reference opens it.
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.tagName === "DETAILS") target.open = true;
}

// Something is being made: look again, as long as the page is seen.
function startReload(link) {
  setTimeout(() => {
    if (document.hidden) document.addEventListener("visibilitychange", () => location.reload(), { once: true });
    else location.reload();
  }, Number(link.dataset.reload) * 1000);
}

const theme = document.getElementById("theme");
if (theme) startTheme(theme);
document.querySelectorAll("[data-copy]").forEach(startCopy);
document.querySelectorAll("[data-tabs]").forEach((container, index) => startTabs(container, index));
document.querySelectorAll("[data-reload]").forEach(startReload);
const filter = document.getElementById("filter");
if (filter) startFilter(filter);
openTarget();
addEventListener("hashchange", openTarget);
