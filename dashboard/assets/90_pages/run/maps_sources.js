/* headscope.run.Sources: what every generated token rests on. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { number, quoted } = hs.dom;

  /** Generated token x source token. */
  class Sources extends run.Maps {
    constructor(page, root, controls) {
      super(page, root, controls, "none", "source");
    }

    body() {
      this.grids = this.page.view.attributions.filter((m) => m.strip);
      return super.body();
    }

    columns() {
      return this.page.view.sources[`${this.page.state.grain}s`];
    }

    values(m) {
      return this.arrays[`${this.page.state.grain}s.${m.index}`].data;
    }

    paint(m, values) {
      const { sources } = this.page.view,
        rows = sources.tokens.slice(sources.n_prompt),
        columns = this.columns(),
        { gen } = this.page.state;
      this.map.draw(
        {
          name: m.label,
          rows: hs.Grid.short(rows.map((t) => t.text)),
          columns: hs.Grid.short(columns.map((c) => c.text)),
          values,
          limit: this.limit(m),
          signed: m.signed,
          slanted: true,
          tall: true,
          hint: "Rows: generated tokens. Columns: what each rests on. Click a row to explain that token above.",
          describe: (i, c, v) => [
            ["Generated", `${i} ${quoted(rows[i].text)}`],
            ["rests on", quoted(columns[c].text)],
            [m.label, v === null ? "not measured: it comes later" : `${number(v)} ${m.unit}`],
          ],
        },
        { row: gen },
      );
    }

    limit(m) {
      return m.limit[this.page.state.grain];
    }

    /** Nothing to add: the token explained is the row's. */
    words() {
      return "";
    }

    pick(row) {
      this.page.set({ gen: row });
    }
  }

  run.Sources = Sources;
})();
