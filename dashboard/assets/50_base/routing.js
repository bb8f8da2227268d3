/* Routing: which page is shown, its name on the browser's tab, the libraries it wants.
   headscope.title(path, text): words for the tab. headscope.pages(): the pages there are. headscope.again(): the page
   is asked for once more, as its address is now. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const root = document.documentElement;
  let last = null, pages = [], named = { path: "", words: "" }, place = { path: "", label: "", site: "Headscope" };

  function retitle() {
    const words = named.path === place.path ? named.words : "";
    document.title = [words, place.label, place.site].filter(Boolean).join(" · ");
  }

  /** What the page at `path` shows, in front of its name on the browser's tab. */
  hs.title = (path, text) => {
    named = { path, words: text.trim() ? hs.dom.label(text.replace(/\s+/g, " "), 60) : "" };
    retitle();
  };
  hs.pages = () => pages;
  hs.again = () => last
    && clientside.set_props("shell-route", { data: { ...last, search: location.search, again: performance.now() } });

  function mark(page) {
    document.querySelectorAll(".hs-nav-link").forEach((link) => {
      if (page && link.id === `shell-nav-${page.name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
  }

  function route(pathname, search, site, current) {
    pages = site.pages;
    const path = pathname === "/" ? "/" : pathname.replace(/\/+$/, "");
    const page = pages.find((entry) => entry.path === path || (entry.below && path.startsWith(entry.path)));
    const query = new URLSearchParams(search);
    const key = [path, ...(page ? page.identity.map((name) => query.getAll(name).join("\n")) : [])].join("\n");
    if (!current || current.key !== key) named = { path: "", words: "" };
    place = { path, label: page && page.path !== "/" ? page.label : "", site: site.title };
    retitle();
    mark(page);
    if (current && current.key === key) return clientside.no_update;
    root.classList.add("hs-busy");
    const there = { path, search: search || "", key };
    last = there;
    const missing = page ? page.libraries.map(library).filter(Boolean) : [];
    if (!missing.length) return there;
    const left = () => location.pathname !== pathname;
    return Promise.all(missing).then(() => (left() ? clientside.no_update : there));
  }

  const libraries = new Map();
  /** A promise of a library that this page came without (dashboard/delivery.py); undefined where it is there. */
  function library(name) {
    const told = document.querySelector(`meta[name="headscope-library"][data-package="${name}"]`);
    if (told && !libraries.has(name)) libraries.set(name, loaded(name, told.content));
    return libraries.get(name);
  }

  function loaded(name, src) {
    return new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src, onload: resolve });
      script.onerror = () => {
        libraries.delete(name); // the next try asks again
        script.remove();
        reject(new Error(`${src} did not arrive: is the server there?`));
      };
      document.head.append(script);
    });
  }

  let shown = false;
  function watchPage() {
    const page = document.getElementById("shell-page");
    if (!page) return setTimeout(watchPage, 30);
    return new MutationObserver(() => {
      root.classList.remove("hs-busy");
      if (shown) {
        window.scrollTo(0, 0);
        document.getElementById("shell-main").focus({ preventScroll: true });
      }
      shown = true;
    }).observe(page, { childList: true });
  }

  watchPage();
  clientside.headscope_shell = Object.assign(clientside.headscope_shell || {}, { route });
})();
