// Light or dark: as the system has it, until the reader chooses; the choice is kept in this browser.
(() => {
  const root = document.documentElement;
  const kept = (() => { try { return localStorage.getItem("shadow-theme"); } catch { return null; } })();
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;

  const isDark = () => root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const name = () => { button.textContent = isDark() ? "Light" : "Dark"; };
    button.hidden = false;
    name();
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem("shadow-theme", root.dataset.theme); } catch { /* private mode: for this page only */ }
      name();
      dispatchEvent(new Event("themechange"));
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      name();
      dispatchEvent(new Event("themechange"));
    });
  });
})();
