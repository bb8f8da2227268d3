/* The maps of the Compare page: each [data-compare-map] (pages/compare_canvas.py) is drawn as a headscope.Grid. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const { quoted, number, measured, label } = hs.dom;

  const kinds = {
    /** Heads by layers; a click leads to the head. */
    head: (view, node) => ({
      pick: (head, layer) =>
        hs.compare.pickHead(
          view.side,
          layer,
          head,
          Boolean(node.closest(".hs-compare-panels").querySelector("[data-side='d']")),
        ),
      titles: view.columns,
      hint: "Rows: heads. Columns: layers. Point at a head; click it to see its attention.",
      describe: (head, layer, value) => [
        ["Head", `L${layer} H${head}`],
        [view.name, measured(value, view.unit)],
      ],
    }),
    /** Runs by words; where a number is a lower bound, what is known beside. */
    word(view) {
      const high = view.high && hs.tensors.floats(view.high),
        shared = view.shared && hs.tensors.floats(view.shared);
      const known = (at) =>
        high && !Number.isNaN(high[at])
          ? [
              ["at most", number(high[at])],
              ["known on both sides", `${Math.round(100 * shared[at])} %`],
            ]
          : [];
      return {
        pick: null,
        titles: view.columns.map((text) => label(text, 12)),
        slanted: true,
        hint: `Rows: runs. Columns: the ${hs.dom.plural(view.columns.length, "word")} of A; a long text goes on to `
          + `the right. Point at a cell for its number, or walk with the arrow keys.`,
        describe: (run, word, value) => [
          ["Run", view.rows[run]],
          [high ? "after" : "word", quoted(view.columns[word])],
          [view.name, measured(value, view.unit)],
          ...known(run * view.columns.length + word),
        ],
      };
    },
  };

  hs.canvases("data-compare-map", (node) => {
    const view = JSON.parse(node.dataset.compareMap),
      kind = kinds[view.kind](view, node),
      grid = new hs.Grid(kind.pick);
    node.dataset.side = view.side || "";
    node.replaceChildren(grid.root);
    const drawn = { ...view, ...kind, columns: kind.titles, values: hs.tensors.floats(view.values) };
    const draw = () => grid.draw(drawn, { row: view.row, column: view.column });
    draw();
    return draw;
  });
})();
