/* Runs in <head>, before the first paint: theme and navigation width as last chosen. Loaded by app.py, not by Dash. */
(function () {
  "use strict";
  const root = document.documentElement;
  const stored = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const theme = stored("headscope-theme") || (dark.matches ? "dark" : "light");
    root.setAttribute("data-bs-theme", theme);
    root.setAttribute("data-ag-theme-mode", theme);
  };
  apply();
  dark.addEventListener("change", apply);
  /* Filters on dates mean days of this clock (dashboard/narrowing/zone.py). */
  document.cookie = `headscope-zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=/; max-age=31536000; `
    + `SameSite=Strict`;
  /* Covered texts are drawn as they will stay: no page jumps (assets/60_parts/covered). */
  if (/(^|; )headscope-offensive=shown(;|$)/.test(document.cookie)) root.classList.add("hs-offensive");
  if (stored("headscope-nav") === "narrow") root.classList.add("hs-narrow");
})();
