/* The attention panels of the Compare page: each [data-compare-grid] becomes a canvas (pages/compare_attention.py
   says how the weights are coded). Four hundred units are a hundred thousand cells: no figure of elements takes
   that. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const { el, quoted } = hs.dom;

  /** Weights `[query * n + key]`, NaN above the diagonal and where a side lacks the unit. */
  function decoded(text, n) {
    const view = new DataView(hs.tensors.bytes(text).buffer);
    const weights = new Float32Array(n * n).fill(NaN);
    for (let query = 0, at = 0; query < n; query++) for (let key = 0; key <= query; key++, at += 2) {
      const code = view.getInt16(at, true);
      if (code !== -32768) weights[query * n + key] = code / 32767;
    }
    return weights;
  }

  function build(node) {
    const { labels, limit, signed, codes } = JSON.parse(node.dataset.compareGrid), n = labels.length;
    const data = decoded(codes, n), top = limit || 1;
    const level = (weight) => Math.sign(weight) * Math.sqrt(Math.abs(weight) / top);
    const slice = {
      data,
      offset: 0,
      T: n,
      signed,
      sink: true,
      max: 1,
      codec: { signed, level, weight: (weight) => weight },
    };
    const read = el("p", { class: "hs-compare-read hs-muted", "aria-live": "polite" });
    const hover = (cell) => {
      read.textContent = cell
        ? `${quoted(labels[cell.query])} reads ${quoted(labels[cell.key])}: `
          + `${hs.dom.number(data[cell.query * n + cell.key])}`
        : "";
    };
    const matrix = new hs.attention.Matrix({ query: labels, key: labels }, { hover, pin: () => {}, zoom: () => {} });
    const draw = () => {
      matrix.draw(slice, { query: null, scale: "fixed" });
      matrix.over.setAttribute("aria-label", `${node.dataset.name}: ${n} by ${n} units. Arrow keys move.`);
    };
    node.replaceChildren(matrix.root, read);
    draw();
    return draw;
  }

  hs.canvases("data-compare-grid", build);
})();
