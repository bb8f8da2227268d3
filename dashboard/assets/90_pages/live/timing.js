/* headscope.live.timing: where the time from a key to the picture went. Times in milliseconds. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const live = (hs.live = hs.live || {});
  const { $, el } = hs.dom;

  /** {name: ms} of a Server-Timing header. */
  live.serverTiming = (header) => {
    const found = (header || "").matchAll(/(\w+);dur=([\d.]+)/g);
    return Object.fromEntries([...found].map(([, name, value]) => [name, Number(value)]));
  };

  /** marks: when the key was pressed (since), and sent, received, drawn; server: what it says of its own time. */
  live.timing = (root, { since, sent, received, drawn, server }) => {
    const model = server.model ?? 0, waited = (server.engine ?? model) - model;
    const t = {
      model,
      waited,
      transfer: received - sent - model - waited,
      draw: drawn - received,
      total: drawn - since,
    };
    root.dataset.timing = JSON.stringify(t);
    const part = (name, value, title) =>
      el("span", { title }, [`${name} `, el("b", { text: `${Math.round(value)} ms` })]);
    $("live-timing").replaceChildren(
      part(
        "model",
        t.model,
        "Forward pass, in the analysis process; what the target rests on follows when typing rests",
      ),
      part(
        "waiting",
        t.waited,
        "For a request before this one, for the model to load, and for the way to the analysis process and back",
      ),
      part("transfer", t.transfer, "Request, encoding and the way back to this page"),
      part("draw", t.draw, "Reading the answer and drawing everything"),
      part("key to picture", t.total, `Everything, with the ${live.DEBOUNCE} ms pause that ends typing`),
      el("span", {
        class: "hs-live-private",
        text: "What you type stays in this page and in the analysis process’s memory.",
      }),
    );
  };
})();
