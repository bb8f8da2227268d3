/* The page of a head: the keys of the links to the heads beside it. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const { $ } = hs.dom;

  const PLACES = { "[": "layer-before", "]": "next-layer", ",": "head-before", ".": "next-head" };

  for (const [key, place] of Object.entries(PLACES)) {
    hs.keys.add(key, () => {
      const link = $(`head-${place}`);
      if (link) link.click();
      return Boolean(link);
    });
  }
})();
