/* The shell: routing, theme, figure templates, keyboard, menus, copy buttons.
   window.headscope.url.replace(path, search) / push(href): change the URL and tell dcc.Location.
   window.headscope.title(path, text): words for the browser’s tab.
   window.headscope.theme.current(), window.headscope.keys.add(key, handler) for pages. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const root = document.documentElement;
  const remember = (key, value) => {
    try {
      localStorage.setItem(key, value);
    } catch {
      /* private mode: the choice lasts as long as the page */
    }
  };

  /* ---- URL -------------------------------------------------------------------------------------------------- */
  const announce = () => window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
  hs.url = {
    /** Replace the query string ("?a=1" or "") of the page at `path`, unless it has been left by now; no history entry. */
    replace(path, search) {
      if (location.pathname.replace(/(.)\/+$/, "$1") !== path || search === location.search) return;
      history.replaceState(history.state, "", location.pathname + search);
      announce();
    },
    /** Go to a path of this app, with a history entry. */
    push(href) {
      history.pushState({}, "", href);
      announce();
    },
  };

  /* ---- is the server there? --------------------------------------------------------------------------------- */
  const fetched = window.fetch;
  window.fetch = async (...request) => {
    try {
      const response = await fetched(...request);
      root.classList.remove("hs-lost");
      return response;
    } catch (error) {
      if (error.name !== "AbortError" && !leaving) root.classList.add("hs-lost");
      throw error;
    }
  };
  let leaving = false; // requests are cut off when the page is left, which says nothing about the server
  window.addEventListener("pagehide", () => (leaving = true));
  // The browser only knows of the network, and the server may be on this machine: ask it.
  for (const change of ["offline", "online"])
    window.addEventListener(change, () => {
      window.fetch("/assets/favicon.svg", { method: "HEAD", cache: "no-store" }).catch(() => {});
    });

  /* ---- routing ---------------------------------------------------------------------------------------------- */
  let routes = [], named = { path: "", words: "" }, place = { path: "", label: "", site: "Headscope" };
  function retitle() {
    const words = named.path === place.path ? named.words : "";
    document.title = [words, place.label, place.site].filter(Boolean).join(" · ");
  }
  /** What the page at `path` shows, in front of its name on the browser's tab. */
  hs.title = (path, text) => {
    named = { path, words: text.trim() ? hs.dom.label(text.replace(/\s+/g, " "), 60) : "" };
    retitle();
  };

  function route(pathname, search, site, current) {
    routes = site.pages;
    const path = pathname === "/" ? "/" : pathname.replace(/\/+$/, "");
    const page = site.pages.find((entry) => entry.path === path);
    const query = new URLSearchParams(search);
    const key = [path, ...(page ? page.identity.map((name) => query.getAll(name).join("\n")) : [])].join("\n");
    if (!current || current.key !== key) named = { path: "", words: "" };
    place = { path, label: page && page.path !== "/" ? page.label : "", site: site.title };
    retitle();
    document.querySelectorAll(".hs-nav-link").forEach((link) => {
      if (page && link.id === `shell-nav-${page.name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    if (current && current.key === key) return clientside.no_update;
    root.classList.add("hs-busy");
    const there = { path, search: search || "", key };
    const missing = page ? page.libraries.map(library).filter(Boolean) : [];
    if (!missing.length) return there;
    const left = () => location.pathname !== pathname;
    return Promise.all(missing).then(() => (left() ? clientside.no_update : there));
  }

  const libraries = new Map();
  /** A promise of a library that this page came without (dashboard/delivery.py); undefined where it is there. */
  function library(name) {
    const told = document.querySelector(`meta[name="headscope-library"][data-package="${name}"]`);
    if (told && !libraries.has(name))
      libraries.set(name, new Promise((resolve, reject) => {
        const script = Object.assign(document.createElement("script"), { src: told.content, onload: resolve });
        script.onerror = () => {
          libraries.delete(name); // the next try asks again
          script.remove();
          reject(new Error(`${told.content} did not arrive: is the server there?`));
        };
        document.head.append(script);
      }));
    return libraries.get(name);
  }

  let shown = false;
  function watchPage() {
    const page = document.getElementById("shell-page");
    if (!page) return setTimeout(watchPage, 30);
    new MutationObserver(() => {
      root.classList.remove("hs-busy");
      if (shown) {
        window.scrollTo(0, 0);
        document.getElementById("shell-main").focus({ preventScroll: true });
      }
      shown = true;
    }).observe(page, { childList: true });
  }
  watchPage();

  /* ---- theme and figures ------------------------------------------------------------------------------------ */
  let looks = null;
  const current = () => root.getAttribute("data-bs-theme") || "light";
  function setTheme(theme) {
    root.setAttribute("data-bs-theme", theme);
    root.setAttribute("data-ag-theme-mode", theme);
    remember("headscope-theme", theme);
  }
  hs.theme = { current, set: setTheme, toggle: () => setTheme(current() === "dark" ? "light" : "dark") };

  let clicks = 0;
  function theme(n, templates) {
    looks = looks || templates;
    if (n && n !== clicks) hs.theme.toggle();
    clicks = n || 0;
    redraw();
    return current();
  }

  /** The ramp of the current theme for any theme's ramp; other scales stay. */
  function swap(scale) {
    if (!looks || !Array.isArray(scale)) return scale;
    const text = JSON.stringify(scale);
    for (const kind of ["signed", "unsigned"])
      if (Object.values(looks).some((look) => JSON.stringify(look[kind]) === text)) return looks[current()][kind];
    return scale;
  }
  const themedTrace = (trace) => {
    const out = { ...trace };
    if (trace.colorscale) out.colorscale = swap(trace.colorscale);
    if (trace.marker && trace.marker.colorscale) out.marker = { ...trace.marker, colorscale: swap(trace.marker.colorscale) };
    return out;
  };
  function themedLayout(layout) {
    const out = { ...layout, template: looks[current()].template };
    for (const name of Object.keys(out))
      if (/^coloraxis\d*$/.test(name) && out[name] && out[name].colorscale)
        out[name] = { ...out[name], colorscale: swap(out[name].colorscale) };
    return out;
  }
  /* Every figure is drawn through here: the current theme's template and ramps replace what the server sent. */
  function themed(draw) {
    return (gd, data, layout, config) => {
      if (!looks) return draw(gd, data, layout, config);
      if (data && !Array.isArray(data)) {
        const figure = { ...data, data: (data.data || []).map(themedTrace), layout: themedLayout(data.layout || {}) };
        return draw(gd, figure, layout, config);
      }
      return draw(gd, (data || []).map(themedTrace), themedLayout(layout || {}), config);
    };
  }
  let plotly;
  Object.defineProperty(window, "Plotly", {
    configurable: true,
    get: () => plotly,
    set(library) {
      plotly = library;
      if (library && library.react && !library.headscope)
        plotly = Object.assign(Object.create(library), {
          headscope: true, react: themed(library.react), newPlot: themed(library.newPlot),
        });
    },
  });
  function redraw() {
    if (!plotly || !looks) return;
    document.querySelectorAll(".js-plotly-plot").forEach((gd) => {
      if (gd.data) plotly.react(gd, gd.data, gd.layout, gd._context);
    });
  }
  new MutationObserver(redraw).observe(root, { attributes: true, attributeFilter: ["data-bs-theme"] });

  clientside.headscope_shell = { route, theme };

  /* ---- keyboard --------------------------------------------------------------------------------------------- */
  const JUMP_MS = 1200;
  const handlers = new Map();
  hs.keys = {
    /** Call `handler(event)` when `key` is pressed outside a field; a true return value stops the event.
        Handlers of pages check that their page is shown. Returns a function that removes it. */
    add(key, handler) {
      const list = handlers.get(key) || handlers.set(key, []).get(key);
      list.push(handler);
      return () => list.splice(list.indexOf(handler), 1);
    },
  };
  const typing = (node) => node.closest && node.closest("input, textarea, select, [contenteditable=true], [contenteditable='']");
  let jumping = null; // when g was pressed, while the next key says where to
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") return closeMenus();
    if (typing(event.target)) return;
    const since = jumping;
    jumping = null;
    if (since !== null && performance.now() - since < JUMP_MS) {
      const page = routes.find((entry) => entry.shortcut === event.key);
      if (page) {
        event.preventDefault();
        return hs.url.push(page.path);
      }
    }
    if ((handlers.get(event.key) || []).slice().some((handler) => handler(event))) event.preventDefault();
  });
  const search = () => {
    const fields = [...document.querySelectorAll("[data-search] input, input[type=search], #live-text")];
    const field = fields.find((node) => node.offsetParent !== null);
    if (field) field.focus();
    return Boolean(field);
  };
  const help = () => {
    const dialog = document.getElementById("shell-help");
    if (!dialog.open) dialog.showModal();
    return true;
  };
  hs.keys.add("/", search);
  hs.keys.add("?", help);
  hs.keys.add("t", () => (hs.theme.toggle(), true));
  hs.keys.add("g", () => ((jumping = performance.now()), true));

  /* ---- clicks ----------------------------------------------------------------------------------------------- */
  function closeMenus(except) {
    document.querySelectorAll("details.hs-menu[open]").forEach((menu) => menu !== except && menu.removeAttribute("open"));
  }
  async function copy(button) {
    const text = button.dataset.copy, label = button.querySelector("span");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    if (!label) return;
    const before = label.textContent;
    label.textContent = "Copied";
    setTimeout(() => (label.textContent = before), 1500);
  }
  function save(blob, name) {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 5000);
  }
  hs.save = save;
  /** The contents of a data: URL; fetch would be stopped by the page's own policy. */
  function blobOf(url) {
    const [head, body] = [url.slice(5, url.indexOf(",")), url.slice(url.indexOf(",") + 1)];
    const bytes = head.endsWith(";base64") ? Uint8Array.from(atob(body), (char) => char.charCodeAt(0)) : decodeURIComponent(body);
    return new Blob([bytes], { type: head.split(/[;,]/)[0] });
  }
  hs.pictures = hs.pictures || {};
  async function picture(button) {
    const { picture: format, card } = button.dataset, frame = document.getElementById(card);
    const plot = frame.querySelector(".js-plotly-plot"), canvas = frame.querySelector("canvas");
    if (hs.pictures[card]) return save(await hs.pictures[card](format), `${card}.${format}`);
    if (plot) {
      const url = await plotly.toImage(plot, { format, scale: format === "png" ? 2 : 1 });
      return save(blobOf(url), `${card}.${format}`);
    }
    if (canvas && format === "png") canvas.toBlob((blob) => save(blob, `${card}.png`));
  }
  document.addEventListener("click", (event) => {
    const target = event.target.closest("button, a, summary");
    closeMenus(event.target.closest("details.hs-menu"));
    if (!target) return;
    if (target.dataset.copy !== undefined) copy(target);
    if (target.dataset.picture) picture(target);
    if (target.closest(".hs-menu-list")) closeMenus();
    if (target.dataset.close === "dialog") target.closest("dialog").close();
    if (target.dataset.close === "toast") target.closest(".hs-toast").hidden = true;
    if (target.id === "shell-help-button") help();
    if (target.id === "shell-nav-toggle")
      remember("headscope-nav", root.classList.toggle("hs-narrow") ? "narrow" : "wide");
  });
})();
