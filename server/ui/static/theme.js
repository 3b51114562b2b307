// Runs before the first paint, so that a chosen scheme never flashes in the other one. The choice stays in this browser.
(() => {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // storage is forbidden: the system's scheme applies
  }
})();
