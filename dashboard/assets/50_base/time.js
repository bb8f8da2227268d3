/* headscope.time: "3 min ago" in every <time datetime>, the reader's own clock in its title. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const STEPS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [86400 * 30, 86400, "d"]];

  function ago(iso) {
    const date = new Date(iso), seconds = (Date.now() - date) / 1000;
    if (seconds < 10) return "just now";
    for (const [below, unit, name] of STEPS) if (seconds < below) return `${Math.floor(seconds / unit)} ${name} ago`;
    return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  }
  const full = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

  function update(root) {
    root.querySelectorAll("time[datetime]").forEach((node) => {
      const text = ago(node.dateTime);
      if (node.firstChild && node.firstChild.nodeType === 3 && node.firstChild.nodeValue !== text)
        node.firstChild.nodeValue = text;
      if (!node.title) node.title = full(node.dateTime);
    });
  }
  function watch() {
    const page = document.getElementById("shell-page");
    if (!page) return setTimeout(watch, 30);
    new MutationObserver(() => update(page)).observe(page, { childList: true, subtree: true });
    setInterval(() => update(page), 10000);
  }
  watch();
  hs.time = { ago, full };
})();
