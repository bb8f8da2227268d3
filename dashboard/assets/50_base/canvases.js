/* headscope.canvases(attribute, build): pictures whose numbers stand in an attribute of an element, drawn on canvas.
   build(element) fills the element and returns what draws it again, for another theme or width. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});

  hs.canvases = function (attribute, build) {
    const drawn = new Map(); // element -> draws it again
    const again = hs.dom.perFrame(() => {
      for (const [node, draw] of drawn) {
        if (node.isConnected) draw();
        else drawn.delete(node);
      }
    });
    hs.color.onTheme(again);
    window.addEventListener("resize", again);
    new MutationObserver((changes) => {
      const found = new Set();
      for (const { type, target, addedNodes } of changes) {
        if (type === "attributes" && target.hasAttribute(attribute)) found.add(target);
        for (const node of addedNodes) {
          if (node.nodeType !== 1) continue;
          if (node.hasAttribute(attribute)) found.add(node);
          node.querySelectorAll(`[${attribute}]`).forEach((one) => found.add(one));
        }
      }
      found.forEach((node) => drawn.set(node, build(node)));
    }).observe(document.documentElement, {
      childList: true,
      subtree: true,
      attributes: true,
      attributeFilter: [attribute],
    });
  };
})();
