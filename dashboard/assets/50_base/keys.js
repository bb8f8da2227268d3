/* headscope.keys.add(key, handler): keys for pages; / ? t, and g with the key of a page. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const JUMP_MS = 1200;
  const handlers = new Map();

  /** Call `handler(event)` when `key` is pressed outside a field; a true return value stops the event.
      Handlers of pages check that their page is shown. Returns a function that removes it. */
  function add(key, handler) {
    const list = handlers.get(key) || handlers.set(key, []).get(key);
    list.push(handler);
    return () => list.splice(list.indexOf(handler), 1);
  }

  const FIELDS = "input, textarea, select, [contenteditable=true], [contenteditable='']";
  const typing = (node) => node.closest && node.closest(FIELDS);
  let jumping = null; // when g was pressed, while the next key says where to

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") {
      hs.menus.close();
      return;
    }
    if (typing(event.target)) return;
    const since = jumping;
    jumping = null;
    const page = since !== null && performance.now() - since < JUMP_MS
      ? hs.pages().find((entry) => entry.shortcut === event.key) : null;
    if (page) {
      event.preventDefault();
      hs.url.push(page.path);
    } else if ((handlers.get(event.key) || []).slice().some((handler) => handler(event))) event.preventDefault();
  }

  function search() {
    const fields = [...document.querySelectorAll("[data-search] input, input[type=search], #live-text")];
    const field = fields.find((node) => node.offsetParent !== null);
    if (field) field.focus();
    return Boolean(field);
  }

  document.addEventListener("keydown", pressed);
  add("/", search);
  add("?", () => hs.menus.help());
  add("t", () => {
    hs.theme.toggle();
    return true;
  });
  add("g", () => {
    jumping = performance.now();
    return true;
  });
  hs.keys = { add };
})();
