/* headscope.url: change the address and tell dcc.Location; which clicks on a link mean “go there, here”. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const announce = () => window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));

  /** Replace the query string ("?a=1" or "") of the page at `path`, unless it has been left by now; no history
      entry. */
  function replace(path, search) {
    if (location.pathname.replace(/(.)\/+$/, "$1") !== path || search === location.search) return;
    history.replaceState(history.state, "", location.pathname + search);
    announce();
  }

  /** Go to a path of this app, with a history entry. */
  function push(href) {
    history.pushState({}, "", href);
    announce();
  }

  /** A click that asks for no other tab, window or file. */
  const plain = (event) => !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button);

  /** `state` as a query, in the order of its keys, less what is not said and what is as `usual` has it. */
  function query(state, usual) {
    const found = new URLSearchParams();
    for (const [key, value] of Object.entries(state)) {
      if (value === (usual[key] ?? "") || value === null || value === undefined) continue;
      found.set(key, typeof value === "boolean" ? String(Number(value)) : String(value));
    }
    return found;
  }

  hs.url = { replace, push, plain, query };
})();
