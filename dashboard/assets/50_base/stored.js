/* headscope.stored: choices kept in this browser; in private mode they last as long as the page. boot.js reads them,
   too. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});

  function get(key) {
    try {
      return localStorage.getItem(key) || "";
    } catch {
      return "";
    }
  }

  /** "" forgets the choice. */
  function set(key, value) {
    try {
      if (value) localStorage.setItem(key, value);
      else localStorage.removeItem(key);
    } catch {
      /* private mode */
    }
  }

  hs.stored = { get, set };
})();
