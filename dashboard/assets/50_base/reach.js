/* Is the server there? <html> is .hs-lost while requests do not reach it. */
(function () {
  "use strict";
  const root = document.documentElement, fetched = window.fetch;
  let leaving = false; // requests are cut off when the page is left, which says nothing about the server

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
  window.addEventListener("pagehide", () => { leaving = true; });
  // The browser only knows of the network, and the server may be on this machine: ask it.
  for (const change of ["offline", "online"]) {
    window.addEventListener(change, () => {
      window.fetch("/assets/favicon.svg", { method: "HEAD", cache: "no-store" }).catch(() => {});
    });
  }
})();
