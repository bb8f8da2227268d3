/* headscope.color: ramps for canvases, read from CSS variables so that both themes and every page agree.
   --hs-ramp-seq: single hue from 0; --hs-ramp-div: blue (negative) - neutral (0) - orange (positive). */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  let tables = {};
  const listeners = new Set();

  function stops(name) {
    const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    if (!text) throw new Error(`the style sheet defines no ${name}`);
    return text.split(",").map((hex) => {
      const n = parseInt(hex.trim().slice(1), 16);
      return [n >> 16, (n >> 8) & 255, n & 255];
    });
  }

  function at(ramp, t) {
    const x = Math.min(1, Math.max(0, t)) * (ramp.length - 1),
      i = Math.min(ramp.length - 2, x | 0),
      f = x - i;
    return ramp[i].map((v, j) => Math.round(v + (ramp[i + 1][j] - v) * f));
  }

  function build(signed) {
    const ramp = stops(signed ? "--hs-ramp-div" : "--hs-ramp-seq");
    const half = signed ? 255 : 0,
      size = 256 + half,
      pixels = new Uint32Array(size),
      css = new Array(size);
    for (let i = 0; i < size; i++) {
      const [r, g, b] = at(ramp, i / (size - 1));
      pixels[i] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
      css[i] = `rgb(${r} ${g} ${b})`;
    }
    return { pixels, css, half };
  }

  /** {pixels: Uint32Array of RGBA, css: [string], half}: entry `half + round(level * 255)`, level in [0, 1] or [-1,
      1]. */
  function table(signed) {
    const key = signed ? "div" : "seq";
    return tables[key] || (tables[key] = build(signed));
  }

  /** CSS colour of a level. */
  function css(level, signed) {
    const t = table(signed);
    return t.css[t.half + Math.round(Math.max(signed ? -1 : 0, Math.min(1, level)) * 255)];
  }

  /** A scale as a CSS gradient, from left to right. */
  function gradient(signed, steps = 24) {
    const levels = Array.from({ length: steps }, (_, i) => (signed ? (2 * i) / (steps - 1) - 1 : i / (steps - 1)));
    return `linear-gradient(90deg, ${levels.map((level) => css(level, signed)).join(",")})`;
  }

  /** Black or white, whichever reads better on the colour of a level. */
  function ink(level, signed) {
    const [r, g, b] = css(level, signed)
      .match(/\d+/g)
      .map((v) => {
        const x = v / 255;
        return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
      });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
  }

  /** The value of a CSS variable or property, for drawing on a canvas. */
  function variable(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  /** The page's font for a canvas, in pixels. */
  const font = (size, weight = "") => `${weight} ${size}px ${variable("--bs-body-font-family") || "sans-serif"}`.trim();

  function start() {
    new MutationObserver(() => {
      tables = {};
      listeners.forEach((listener) => listener());
    }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
  }

  /** Call back when the theme changes; returns a function that stops it. */
  function onTheme(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  start();
  hs.color = { table, css, gradient, ink, variable, font, onTheme };
})();
