/* headscope.dom: build elements, write tokens and numbers the same way on every page. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const $ = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (name === "text") node.textContent = value;
      else if (name.startsWith("--")) node.style.setProperty(name, value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...[children ?? []].flat().filter((child) => child !== null && child !== undefined));
    return node;
  }

  const el = (tag, attributes, children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, children) => fill(document.createElementNS(SVG, tag), attributes, children);

  /** Spaces and line breaks as visible signs. */
  const visible = (text) => text.replace(/ /g, "␣").replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/\r/g, "␍");

  /** A token as a short label: white space at the ends dropped, shown as signs when there is nothing else. */
  function label(text, most = 24) {
    const bare = text.trim();
    const shown = bare || (text ? visible(text) : "◦");
    const chars = Array.from(shown);
    return chars.length > most ? `${chars.slice(0, most - 1).join("")}…` : shown;
  }

  /** A token in quotes with every character visible; longer ones than `most` are cut. */
  function quoted(text, most = Infinity) {
    const chars = Array.from(text);
    return text
      ? `“${visible(chars.length > most ? `${chars.slice(0, most - 1).join("")}…` : text)}”`
      : "(rest of the character before)";
  }

  /** 1 token, 2 tokens. */
  const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

  /** A formatted number with a true minus sign. */
  const trueMinus = (text) => text.replace(/(?<!e)-/g, "−");

  /** A number with 4 significant digits, true minus sign, or an en dash when it was not measured. */
  function number(value, digits = 4) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (Number.isInteger(value) && Math.abs(value) < 1e6) return trueMinus(String(value));
    const size = Math.abs(value);
    return trueMinus(
      size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential(digits - 1) : value.toPrecision(digits),
    );
  }

  /** A number with its unit; null was not measured. */
  const measured = (value, unit = "") => (value === null ? "not measured" : `${number(value)} ${unit}`.trim());

  /** Name and value, side by side. */
  const pairs = (rows) =>
    rows.map(([name, value]) =>
      el("span", { class: "hs-fact" }, [
        el("span", { class: "hs-muted", text: `${name} ` }),
        el("b", { text: typeof value === "number" ? number(value) : value }),
      ]),
    );

  /** A probability: percent with enough digits to tell small ones from 0. */
  function percent(p) {
    if (p === null || p === undefined || Number.isNaN(p)) return "–";
    const x = 100 * p;
    if (x === 0) return "0 %";
    if (x < 0.01) return `${x.toExponential(1)} %`;
    return `${x >= 10 ? x.toFixed(1) : x.toFixed(2)} %`;
  }

  /** One tab stop for a row of controls, which arrow keys, Home and End walk (roving tabindex). Returns a function that
      gives the stop to the pressed one, else the first: call it when the controls were made anew. */
  function roving(box, selector) {
    const all = () => [...box.querySelectorAll(selector)];
    const stop = (node) => all().forEach((one) => { one.tabIndex = one === node ? 0 : -1; });
    box.addEventListener("focusin", (event) => event.target.closest(selector) && stop(event.target.closest(selector)));
    box.addEventListener("keydown", (event) => {
      const nodes = all(), i = nodes.indexOf(event.target.closest(selector));
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: nodes.length - 1 }[event.key];
      if (i < 0 || !nodes[to]) return;
      event.preventDefault();
      nodes[to].focus();
    });
    return () => {
      const nodes = all();
      stop(nodes.find((node) => node.getAttribute("aria-pressed") === "true") || nodes[0]);
    };
  }

  /** Run once per animation frame at most, with the last arguments. */
  function perFrame(work) {
    let last = null, waiting = false;
    return (...args) => {
      last = args;
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; work(...last); });
    };
  }

  /** Run once nothing was asked for during `ms`, with the last arguments. */
  function debounced(work, ms) {
    let timer = 0;
    return (...args) => {
      clearTimeout(timer);
      timer = setTimeout(() => work(...args), ms);
    };
  }

  /** Size a canvas for the screen's pixel density and return a context in CSS pixels. */
  function context(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const w = Math.round(width * ratio), h = Math.round(height * ratio);
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w; canvas.height = h;
      canvas.style.width = `${width}px`; canvas.style.height = `${height}px`;
    }
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    return c;
  }

  /** Calls `leave` once, when `node` is no longer in the page. Returns what ends the watch before. */
  function gone(node, leave) {
    const watch = new MutationObserver(() => {
      if (node.isConnected) return;
      watch.disconnect();
      leave();
    });
    watch.observe(document.documentElement, { childList: true, subtree: true });
    return () => watch.disconnect();
  }

  hs.dom = {
    $,
    el,
    svg,
    visible,
    label,
    quoted,
    plural,
    trueMinus,
    number,
    measured,
    pairs,
    percent,
    roving,
    perFrame,
    debounced,
    context,
    gone,
  };
})();
