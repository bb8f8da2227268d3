/* headscope.run.Flow: where in the layers the evidence enters. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, measured, quoted } = hs.dom;
  const WINDOW = 128;

  /** Layer x position. */
  class Flow extends run.Maps {
    constructor(page, root, controls) {
      super(page, root, controls, "layers", "flow");
    }

    /** The first of the positions shown: those around the chosen token, else around the largest score, until other ones
        are asked for. */
    begin(values, T, n) {
      const { pos } = this.page.state;
      if (this.from !== undefined && (pos === null || pos === this.pos)) return;
      this.pos = pos;
      const at = pos === null ? hs.Grid.largest(values) % T : pos;
      if (this.from === undefined || at < this.from || at >= this.from + n)
        this.from = Math.max(0, Math.min(T - n, at - WINDOW / 2));
    }

    paint(grid, values) {
      const all = this.page.view.tokens.tokens,
        texts = all.map((t) => t.text),
        n = Math.min(WINDOW, texts.length),
        s = this.page.state;
      this.begin(values, texts.length, n);
      const rows = grid.rows,
        cut =
          n === texts.length
            ? values
            : Float32Array.from(
                { length: rows.length * n },
                (_, i) => values[Math.floor(i / n) * texts.length + this.from + (i % n)],
              );
      this.map.draw(
        {
          name: grid.label,
          rows,
          columns: hs.Grid.short(texts.slice(this.from, this.from + n)),
          values: cut,
          limit: grid.limit,
          signed: grid.signed,
          slanted: true,
          tall: true,
          hint: "Point at a cell for its number; click it to open that layer and token.",
          describe: (l, t, v) => [
            ["Layer", rows[l]],
            ["token", `${this.from + t} ${quoted(texts[this.from + t])}`],
            [grid.label, measured(v, grid.unit)],
          ],
        },
        { column: s.pos === null ? null : s.pos - this.from },
      );
      this.n = n;
    }

    pick(l, t) {
      const L = this.page.view.n_layers,
        change = { pos: this.from + t };
      if (l < L) change.layer = l;
      this.page.set(change);
    }

    words(grid) {
      const T = this.page.view.tokens.tokens.length,
        move = (by) => {
          this.from = Math.max(0, Math.min(T - this.n, this.from + by));
          this.draw();
        };
      return el("div", {}, [super.words(grid), this.n === T ? null : run.pages(this.from, this.n, T, move)]);
    }
  }

  run.Flow = Flow;
})();
