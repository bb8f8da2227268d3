/* headscope.run.Components: what each head and MLP does to the quantity. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, number, measured } = hs.dom;

  /** Layer x (heads and MLP), with what is neither. */
  class Components extends run.Maps {
    constructor(page, root, controls) {
      super(page, root, controls, "components", "components");
    }

    paint(grid, values) {
      this.map.draw(
        {
          name: grid.label,
          rows: grid.rows,
          columns: grid.columns,
          values,
          limit: grid.limit,
          signed: grid.signed,
          hint: "Point at a head or an MLP for its number; click a head to see its attention.",
          describe: (l, c, v) => [
            ["Layer", grid.rows[l]],
            ["component", grid.columns[c]],
            [grid.label, measured(v, grid.unit)],
          ],
        },
        this.mark(grid),
      );
    }

    mark(grid) {
      const s = this.page.state;
      return s.head === null ? {} : { row: s.layer, column: Math.min(s.head, grid.columns.length - 2) };
    }

    pick(l, c) {
      if (c < this.grid().columns.length - 1) this.page.head(l, c);
      else this.page.set({ layer: l });
    }

    words(grid) {
      return el("div", {}, [
        grid.terms.length
          ? el(
              "div",
              { class: "hs-run-facts" },
              hs.dom.pairs(grid.terms.map(([name, value]) => [name, `${number(value)} ${grid.unit}`])),
            )
          : null,
        super.words(grid),
      ]);
    }
  }

  run.Components = Components;
})();
