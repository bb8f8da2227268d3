/* Elements of [data-still] (dashboard/still.py): [[tag, attributes, ...below] or text, ...]. Nothing is parsed as
   HTML. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});

  function build(tree) {
    if (typeof tree === "string") return document.createTextNode(tree);
    const [tag, attributes, ...below] = tree,
      node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name !== "style") node.setAttribute(name, value);
      else
        for (const [key, text] of Object.entries(value)) {
          if (key.startsWith("--")) node.style.setProperty(key, text);
          else node.style[key] = text;
        }
    }
    node.append(...below.map(build));
    return node;
  }

  // element -> what was put into it; React may draw something else into the same element later
  const made = new WeakMap();
  function fill(node) {
    const text = node.dataset.still,
      now = text === undefined ? [] : JSON.parse(text).map(build);
    (made.get(node) || []).forEach((old) => old.remove());
    made.set(node, now);
    node.append(...now);
  }

  new MutationObserver((changes) => {
    const found = new Set();
    for (const { type, target, addedNodes } of changes) {
      if (type === "attributes") found.add(target);
      for (const node of addedNodes) {
        if (node.nodeType !== 1) continue;
        if (node.dataset.still !== undefined) found.add(node);
        node.querySelectorAll("[data-still]").forEach((one) => found.add(one));
      }
    }
    found.forEach(fill);
  }).observe(document.documentElement, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ["data-still"],
  });

  /* What was a dcc.Link goes to another page of the app without loading it anew. On the window: after every page's
     own. */
  window.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-link]");
    if (!link || event.defaultPrevented || !hs.url.plain(event)) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin) return;
    event.preventDefault();
    hs.url.push(url.pathname + url.search + url.hash);
  });
})();
