/* headscope.run.Flow: where in the layers the evidence enters. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, measured, number, quoted } = hs.dom;
  const WINDOW = 128;

  /** Layer x position. */
  class Flow extends run.Maps {
    constructor(page, root, controls) {
      super(page, root, controls, "layers", "flow");
      this.totals = el("ol", { class: "hs-flow-totals", "aria-label": "Sum over tokens, by layer" });
    }

    body() {
      return [el("div", { class: "hs-flow" }, [this.map.root, this.totals]), this.foot];
    }

    /** Beside every row its sum over all tokens, also those out of sight. */
    sum(grid, values, T) {
      const sums = grid.rows.map((_, l) => {
        const known = values.subarray(l * T, (l + 1) * T).filter((v) => !Number.isNaN(v));
        return known.length ? known.reduce((sum, v) => sum + v, 0) : null;
      });
      const most = Math.max(...sums.map((v) => Math.abs(v ?? 0))), step = Math.ceil(13 / this.map.h);
      this.totals.style.setProperty("--row", `${this.map.h}px`);
      this.totals.style.setProperty("--top", `${this.map.top}px`);
      this.totals.replaceChildren(
        ...sums.map((v, l) =>
          el("li", {
            title: `${grid.rows[l]}: ${measured(v, grid.unit)} over all tokens`,
            class: v < 0 ? "negative" : null,
            "--t": most > 0 ? (Math.abs(v ?? 0) / most).toFixed(3) : 0,
          }, [el("i", {}), el("span", { text: l % step ? "" : v === null ? "–" : number(v, 3) })]),
        ),
      );
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
      this.sum(grid, values, texts.length);
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
      const beyond = grid.terms.map(([name, value]) => [`Not on a token: ${name}`, `${number(value)} ${grid.unit}`]);
      return el("div", {}, [
        beyond.length ? el("div", { class: "hs-run-facts" }, hs.dom.pairs(beyond)) : null,
        super.words(grid),
        this.n === T ? null : run.pages(this.from, this.n, T, move),
      ]);
    }
  }

  run.Flow = Flow;
})();
