/* Tables with data-rows="open": j and k walk their rows, Enter opens one. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const TABLE = 'table[data-rows="open"]', SELECTED = 'tr[aria-selected="true"]';

  function walk(step) {
    const table = document.querySelector(TABLE);
    if (!table) return false;
    const rows = [...table.tBodies[0].rows], at = rows.indexOf(table.tBodies[0].querySelector(SELECTED));
    const row = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
    rows.forEach((other) => other.removeAttribute("aria-selected"));
    if (!row) return false;
    row.setAttribute("aria-selected", "true");
    row.scrollIntoView({ block: "nearest" });
    return true;
  }

  function open(event) {
    const row = document.querySelector(`${TABLE} ${SELECTED}`);
    if (!row || event.target.closest("a, button, summary")) return false;
    hs.url.push(row.dataset.href);
    return true;
  }

  hs.keys.add("j", () => walk(1));
  hs.keys.add("k", () => walk(-1));
  hs.keys.add("Enter", open);
})();
