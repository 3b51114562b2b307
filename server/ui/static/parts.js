// Copy buttons and tabs.

import { copyText } from "./copy.js";

export function startCopy(button) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await copyText(button.dataset.copy);
    button.textContent = button.dataset.done;
    setTimeout(() => (button.textContent = label), 2000);
  });
}

// Sections with a heading each become tabs after the ARIA pattern: arrows move, Home and End jump.
export function startTabs(container, index, chosen = 0) {
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
  const choose = (now, focus = false) => {
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === now));
      tab.tabIndex = i === now ? 0 : -1;
      panels[i].hidden = i !== now;
    });
    if (focus) tabs[now].focus();
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
  choose(chosen);
}
