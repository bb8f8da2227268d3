/* Pages over a set of runs: links within them change the address and leave the view where it is; #card goes there. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  let wish = null; // what the last link still has to do, until it is done, or the user does something else

  /** Look at every change of `place` until `done()`, or until the user acts. */
  function until(place, done) {
    const observer = new MutationObserver(() => done() && observer.disconnect());
    observer.observe(place, { childList: true, subtree: true, attributeFilter: ["hidden", "class"] });
    return () => observer.disconnect();
  }
  function forget() {
    if (wish) wish.forEach((stop) => stop());
    wish = null;
  }
  for (const kind of ["pointerdown", "keydown", "wheel"])
    document.addEventListener(kind, forget, { capture: true, passive: true });

  /** Scroll to a card once it is shown and filled. */
  function reveal(id) {
    const card = hs.dom.$(id);
    const ready = card && card.offsetParent && !card.querySelector(".hs-loading");
    if (ready) card.scrollIntoView({ block: "start" });
    return Boolean(ready);
  }

  /** The card is drawn anew: give the keyboard back the link, or menu, it was on. */
  function keepFocus(link) {
    const menu = link.closest("details.hs-menu"), place = link.closest("[id]");
    const kind = menu ? "summary" : "a[href]", node = menu ? menu.querySelector("summary") : link;
    const at = [...place.querySelectorAll(kind)].indexOf(node), text = menu ? null : link.textContent;
    return until(place, () => {
      const next = place.querySelectorAll(kind)[at];
      if (document.activeElement !== document.body || !next || (text !== null && next.textContent !== text)) return;
      next.focus({ preventScroll: true }); // and go on: a page may draw its parts more than once
    });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || !link.closest(".hs-scoped") || link.target || link.hasAttribute("download")) return;
    if (event.defaultPrevented || !hs.url.plain(event)) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || url.pathname !== location.pathname) return;
    event.preventDefault();
    forget();
    wish = [keepFocus(link)];
    link.closest("details.hs-menu")?.removeAttribute("open");
    hs.url.push(url.pathname + url.search);
    if (url.hash && !reveal(url.hash.slice(1))) wish.push(until(document.body, () => reveal(url.hash.slice(1))));
  });
})();
