/* headscope.run.Looks: whether heads that look important are. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, number, measured } = hs.dom;

  /** Two grids of heads: what the attention looks like, and what happens to the quantity when the head is taken
      away. */
  class Looks extends run.Maps {
    constructor(page, root, controls) {
      super(page, root, controls, "heads", "ablation");
      this.left = new hs.Grid((l, h) => this.pick(l, h));
    }

    body() {
      this.titles = [el("h3", {}), el("h3", {})];
      this.verdict = el("div", { class: "hs-looks-verdict", role: "status" });
      return [
        el("div", { class: "hs-looks" }, [
          el("section", {}, [this.titles[0], this.left.root]),
          el("section", {}, [this.titles[1], this.map.root]),
        ]),
        this.verdict,
        this.foot,
      ];
    }

    stats() {
      return this.page.view.heads || {};
    }

    stat() {
      const { looks } = this.page.state,
        names = Object.keys(this.stats());
      return names.includes(looks) ? looks : names[0];
    }

    steer() {
      super.steer();
      const stats = Object.entries(this.stats());
      if (stats.length)
        this.controls.prepend(
          hs.switches.choose(
            "Head summary",
            stats.map(([key, stat]) => [key, stat.label, stat.description]),
            this.stat(),
            (looks) => this.page.set({ looks }),
          ),
        );
    }

    paint(grid, values) {
      const stat = this.stats()[this.stat()],
        marks = { row: this.page.state.layer, column: this.page.state.head };
      const view = { rows: grid.rows, columns: grid.columns, hint: "Point at a head; click it to see its attention." };
      this.titles[0].textContent = stat ? `Looks: ${stat.label.toLowerCase()}` : "Head summaries were not measured";
      this.titles[1].textContent = `Is: ${grid.label.toLowerCase()}`;
      this.left.root.hidden = !stat;
      if (stat) this.paintLooks(view, stat, marks);
      const describe = (l, h, v) => [["Head", `L${l} H${h}`], [grid.label, measured(v, grid.unit)]];
      this.map.draw({ ...view, name: grid.label, values, limit: grid.limit, signed: grid.signed, describe }, marks);
      this.verdict.replaceChildren(this.judge(grid, stat));
    }

    paintLooks(view, stat, marks) {
      const values = Float32Array.from(stat.values.flat(), (v) => v ?? NaN);
      const limit = values.reduce((most, v) => Math.max(most, Math.abs(v) || 0), 0);
      const said = (v) => (v === null ? "not defined here" : number(v));
      const describe = (l, h, v) => [["Head", `L${l} H${h}`], [stat.label, said(v)]];
      this.left.draw({ ...view, name: stat.label, values, limit, signed: false, describe }, marks);
    }

    judge(grid, stat) {
      const found = stat && grid.looks[this.stat()],
        [size, direction] = found ? found[Math.min(this.page.state.gen, found.length - 1)] : [];
      if (!size || size.rho === null)
        return el("p", {
          class: "hs-muted",
          text: "No correlation: one of the two is the same for every head, or not measured.",
        });
      const say = (c) => `${number(c.rho, 2)} (95 % ${number(c.low, 2)} to ${number(c.high, 2)})`;
      const strong = size.low > 0.5,
        none = size.low <= 0 && size.high >= 0;
      return el("p", {}, [
        el("b", {
          text: none
            ? "Looking important says nothing about being important here."
            : strong
              ? "Heads that look important are mostly those that matter here."
              : "Looking important is weak evidence here.",
        }),
        ` Spearman of “${stat.label.toLowerCase()}” with the size of the effect ${say(size)}, with its direction `
          + `${say(direction)}, over ${size.n} heads of this one prompt.`,
      ]);
    }

    pick(l, h) {
      this.page.head(l, h);
    }
  }

  run.Looks = Looks;
})();
