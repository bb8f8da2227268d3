/* The cells of the grid of runs, and headscope.runs.address(id). */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const runs = (hs.runs = hs.runs || {});
  const { address } = Object.assign(runs, { address: (id) => `/run?id=${encodeURIComponent(id)}` });
  const h = (...args) => window.React.createElement(...args);
  const waiting = () => h("span", { className: "hs-cell-waiting" });
  const ICONS = {
    succeeded: "check-circle-fill",
    failed: "x-octagon-fill",
    running: "arrow-repeat",
    queued: "hourglass-split",
    cancelled: "slash-circle",
  };
  const cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  cells.HsStatus = ({ data }) =>
    data
      ? h(
          "span",
          { className: `hs-status hs-status-${data.status}` },
          h("i", { className: `bi bi-${ICONS[data.status]}`, "aria-hidden": true }),
          data.status,
        )
      : waiting();
  cells.HsPrompt = ({ data }) => {
    if (!data) return waiting();
    const href = address(data.id);
    const follow = (event) => {
      if (!hs.url.plain(event)) return;
      event.preventDefault();
      hs.url.push(href);
    };
    const text = data.text.replace(/\s+/g, " ") || "(empty text)", why = data.covered.prompt, error = data.error || "";
    const link = (content) => h("a", { key: "link", href, onClick: follow, className: "hs-strong" }, content);
    return h(
      "span",
      { className: "hs-cell-prompt", title: why ? error : [data.text, error].filter(Boolean).join("\n\n") },
      why ? hs.covered.cell(hs.covered.label(text, why), text, link) : link(text),
      data.error && h("span", { className: "hs-cell-error" }, data.error),
    );
  };
  /* Target and foil were judged with their prompt, the next token begins the continuation. */
  cells.HsToken = ({ value, data, colDef }) => {
    if (value === null || value === undefined) return null;
    const why = data.covered[colDef.field === "next_token" ? "continuation" : "prompt"],
      token = h("code", { className: "hs-cell-token" }, hs.dom.visible(value));
    return why ? hs.covered.cell("covered", token) : token;
  };
  cells.HsContinuation = ({ value, data }) => {
    const why = value && data.covered.continuation;
    return why ? hs.covered.cell(hs.covered.label(value, why), value) : value || null;
  };
  cells.HsWhen = ({ value }) =>
    value ? h("time", { dateTime: value, title: hs.time.full(value) }, hs.time.ago(value)) : null;
  const functions = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
  /* A failed run has no numbers: its reason takes the columns up to the time it was stored. */
  functions.hsFailedSpan = ({ api, column, data }) => {
    if (!data || !data.error) return 1;
    const columns = api.getAllDisplayedColumns(),
      start = columns.indexOf(column);
    const end = columns.findIndex((other, index) => index > start && other.getColId() === "created_at");
    return (end < 0 ? columns.length : end) - start;
  };
  functions.hsNumber = (value, decimals) =>
    value === null || value === undefined
      ? ""
      : hs.dom.trueMinus(
          value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
        );
})();
