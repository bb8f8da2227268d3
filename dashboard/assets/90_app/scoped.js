/* Pages over a set of runs: links within them change the address and leave the view where it is; #card goes there. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const PATIENCE_MS = 4000;

  /** Scroll to a card once it is shown and filled. */
  function reveal(id, since = performance.now()) {
    const card = document.getElementById(id);
    const ready = card && card.offsetParent && !card.querySelector(".hs-loading");
    if (ready) card.scrollIntoView({ block: "start" });
    else if (performance.now() - since < PATIENCE_MS) requestAnimationFrame(() => reveal(id, since));
  }

  /** The card is drawn anew: give the keyboard back the link, or menu, it was on. */
  function keepFocus(link) {
    const menu = link.closest("details.hs-menu"), place = link.closest("[id]");
    const kind = menu ? "summary" : "a[href]", node = menu ? menu.querySelector("summary") : link;
    const at = [...place.querySelectorAll(kind)].indexOf(node), text = menu ? null : link.textContent;
    const observer = new MutationObserver(() => {
      const next = place.querySelectorAll(kind)[at];
      if (document.activeElement !== document.body || !next || (text !== null && next.textContent !== text)) return;
      next.focus({ preventScroll: true });
    });
    observer.observe(place, { childList: true, subtree: true });
    setTimeout(() => observer.disconnect(), PATIENCE_MS);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || !link.closest(".hs-scoped") || link.target || link.hasAttribute("download")) return;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || url.pathname !== location.pathname) return;
    event.preventDefault();
    keepFocus(link);
    link.closest("details.hs-menu")?.removeAttribute("open");
    hs.url.push(url.pathname + url.search);
    if (url.hash) reveal(url.hash.slice(1));
  });
})();
