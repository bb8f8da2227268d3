/* headscope.run.Looks: every head by where it looks, or by what it does. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, number, measured } = hs.dom;
  const SIDES = [["looks", "Where it looks"], ["does", "What it does"]];
  const SMALL = 200; // height of the grid beside, px
  const said = (c) => `${number(c.rho, 2)} (95 % ${number(c.low, 2)} to ${number(c.high, 2)})`;

  /** One grid that switches between a head summary and a method, the other one small beside it, and how far both rank
      the heads alike. */
  class Looks extends run.Maps {
    constructor(page, root, controls) {
      super(page, root, controls, "heads", "ablation");
      this.beside = new hs.Grid((l, h) => this.pick(l, h));
      page.stops.push(hs.keys.add("h", () => page.alive() && this.flip()));
    }

    ready() {
      return this.grids.length ? super.ready() : Promise.resolve({});
    }

    body() {
      this.titles = [el("h3", {}), el("h3", {})];
      this.verdict = el("div", { class: "hs-looks-verdict", role: "status" });
      this.aside = el("section", { class: "hs-looks-beside" }, [this.titles[1], this.beside.root, this.verdict]);
      return [
        el("div", { class: "hs-looks" }, [el("section", {}, [this.titles[0], this.map.root]), this.aside]),
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

    /** The side shown large: the one in the link if the run has it. */
    side() {
      if (!this.grids.length) return "looks";
      return this.stat() === undefined ? "does" : this.page.state.heads;
    }

    flip() {
      if (!this.grids.length || this.stat() === undefined) return false;
      this.page.set({ heads: this.side() === "looks" ? "does" : "looks" });
      return true;
    }

    steer() {
      const stats = Object.entries(this.stats()).map(([key, stat]) => [key, stat.label, stat.description]);
      const names = this.grids.map((grid) => [grid.method, grid.label, grid.explained]);
      const set = (change) => this.page.set(change), nodes = [];
      if (stats.length && names.length)
        nodes.push(hs.switches.choose("Large", SIDES, this.side(), (heads) => set({ heads })));
      if (stats.length)
        nodes.push(hs.switches.menu("Head summary", stats, this.stat(), (looks) => set({ looks })));
      if (names.length > 1)
        nodes.push(hs.switches.menu("Method", names, this.grid().method, (name) => set({ ablation: name })));
      hs.switches.renew(this.controls, nodes);
    }

    /** What is drawn of each side: {title, label, unit, view, note}; null of a side that the run does not have. */
    looks() {
      const stat = this.stats()[this.stat()];
      if (!stat) return null;
      const values = Float32Array.from(stat.values.flat(), (v) => v ?? NaN);
      const limit = values.reduce((most, v) => Math.max(most, Math.abs(v) || 0), 0);
      const reading = (v) => (v === null ? "not defined here" : number(v));
      const names = (n, sign) => Array.from({ length: n }, (_, i) => `${sign}${i}`);
      const describe = (l, h, v) => [["Head", `L${l} H${h}`], [stat.label, reading(v)]];
      const rows = names(stat.values.length, ""), columns = names(stat.values[0].length, "H");
      return {
        title: `Looks: ${stat.label.toLowerCase()}`, unit: stat.unit, note: stat.description,
        view: { name: stat.label, rows, columns, values, limit, signed: false, describe },
      };
    }

    does() {
      const grid = this.grid();
      if (!grid) return null;
      const { label: name, rows, columns, limit, signed, unit } = grid;
      const describe = (l, h, v) => [["Head", `L${l} H${h}`], [name, measured(v, unit)]];
      return {
        title: `Does: ${name}`, unit, note: this.words(grid),
        view: { name, rows, columns, values: this.values(grid), limit, signed, describe },
      };
    }

    draw() {
      if (!this.arrays) return;
      this.steer();
      const both = { looks: this.looks(), does: this.does() }, side = this.side();
      const large = both[side], small = both[side === "looks" ? "does" : "looks"];
      const marks = { row: this.page.state.layer, column: this.page.state.head };
      const hint = "Point at a head; click it, or press Enter, to see its attention.";
      this.titles[0].textContent = large.title;
      this.aside.hidden = !small && this.grids.length < 2;
      this.beside.root.hidden = this.titles[1].hidden = !small;
      this.map.draw({ ...large.view, hint }, marks);
      if (small) {
        this.titles[1].textContent = small.title;
        this.beside.draw({ ...small.view, hint, height: SMALL }, marks);
      }
      const { name: label, signed, limit } = large.view;
      const note = typeof large.note === "string" ? el("p", { class: "hs-muted", text: large.note }) : large.note;
      this.foot.replaceChildren(run.legend({ label, unit: large.unit, signed }, limit), note);
      this.verdict.replaceChildren(...[this.judge(), this.agreement()].filter(Boolean));
    }

    /** How far the chosen summary ranks the heads as the chosen method does. */
    judge() {
      const grid = this.grid(), stat = this.stats()[this.stat()], found = grid && stat && grid.looks[this.stat()];
      if (!grid || !stat) return null;
      const [size, direction] = found ? found[Math.min(this.page.state.gen, found.length - 1)] : [];
      if (!size || size.rho === null) {
        const text = "No correlation: one of the two is the same for every head, or not measured.";
        return el("p", { class: "hs-muted", text });
      }
      const none = size.low <= 0 && size.high >= 0,
        text = none
          ? "Where a head looks says nothing about what it does here."
          : size.low > 0.5
            ? "Heads that look so are mostly those that matter here."
            : size.rho < 0
              ? "Heads that look so matter rather less here."
              : "Where a head looks is weak evidence of what it does here.";
      return el("p", {}, [
        el("b", { text }),
        ` Spearman of “${stat.label.toLowerCase()}” with the size of the effect ${said(size)}, with its direction `
          + `${said(direction)}, over ${size.n} heads of this one prompt.`,
      ]);
    }

    /** How far the other methods rank the heads as the chosen one does. */
    agreement() {
      const grid = this.grid(), others = grid ? this.grids.filter((one) => grid.agrees[one.method]) : [];
      if (!others.length) return null;
      const value = (found) => {
        const c = found[Math.min(this.page.state.gen, found.length - 1)];
        return c.rho === null ? "no correlation" : `${said(c)}, n ${c.n}`;
      };
      const rows = others.map((one) => [
        el("dt", { text: one.label }),
        el("dd", { text: value(grid.agrees[one.method]) }),
      ]);
      return el("div", { class: "hs-looks-agrees" }, [
        el("p", { class: "hs-muted", text: `Spearman of ${grid.label} with what other methods say heads do:` }),
        el("dl", {}, rows.flat()),
      ]);
    }

    pick(l, h) {
      this.page.head(l, h);
    }
  }

  run.Looks = Looks;
})();
