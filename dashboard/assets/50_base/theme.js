/* headscope.theme: current(), set(theme), toggle(). Figures follow in figures.js, canvases in color.js. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const root = document.documentElement;

  const current = () => root.getAttribute("data-bs-theme") || "light";
  function set(theme) {
    root.setAttribute("data-bs-theme", theme);
    root.setAttribute("data-ag-theme-mode", theme);
    hs.stored.set("headscope-theme", theme);
  }
  const toggle = () => set(current() === "dark" ? "light" : "dark");

  let clicks = 0;
  /** Called by Dash with the clicks on the button and the figures' templates. */
  function theme(n, templates) {
    hs.figures.looks(templates);
    if (n && n !== clicks) toggle();
    clicks = n || 0;
    hs.figures.redraw();
    return current();
  }

  hs.theme = { current, set, toggle };
  clientside.headscope_shell = Object.assign(clientside.headscope_shell || {}, { theme });
})();
