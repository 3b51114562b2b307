// What pages do beyond HTML: switch of the colour scheme, copy buttons, tabs, tidy filter forms.

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

function startCopy(button) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await copyText(button.dataset.copy);
    button.textContent = button.dataset.done;
    setTimeout(() => (button.textContent = label), 2000);
  });
}

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // without TLS browsers offer no clipboard: select the text in a field and let them copy that
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

// Sections with a heading each become tabs after the ARIA pattern: arrows move, Home and End jump.
function startTabs(container, index) {
  const panels = [...container.querySelectorAll(":scope > section")];
  const list = document.createElement("div");
  list.role = "tablist";
  list.setAttribute("aria-label", container.getAttribute("aria-label"));
  container.removeAttribute("aria-label");
  const tabs = panels.map((panel, i) => {
    const heading = panel.querySelector("h3");
    const tab = document.createElement("button");
    tab.type = "button";
    tab.role = "tab";
    tab.id = `tab-${index}-${i}`;
    tab.textContent = heading.textContent;
    panel.id = `panel-${index}-${i}`;
    panel.role = "tabpanel";
    panel.setAttribute("aria-labelledby", tab.id);
    tab.setAttribute("aria-controls", panel.id);
    heading.classList.add("visually-hidden");
    tab.addEventListener("click", () => choose(i));
    return tab;
  });
  const choose = (chosen, focus = false) => {
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === chosen));
      tab.tabIndex = i === chosen ? 0 : -1;
      panels[i].hidden = i !== chosen;
    });
    if (focus) tabs[chosen].focus();
  };
  list.addEventListener("keydown", (event) => {
    const now = tabs.indexOf(document.activeElement);
    const steps = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: tabs.length - 1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    choose((steps[event.key] + tabs.length) % tabs.length, true);
  });
  list.append(...tabs);
  container.prepend(list);
  container.classList.add("active");
  choose(0);
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
document.querySelectorAll("[data-tabs]").forEach(startTabs);
document.querySelectorAll("[data-reload]").forEach(startReload);
const filter = document.getElementById("filter");
if (filter) startFilter(filter);
openTarget();
addEventListener("hashchange", openTarget);
