/* headscope.run.Maps: grids over the arrays of the run's attributions; the cards are in maps_*.js. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el } = hs.dom;

  /** Grids of one kind: a choice of method, the drawing, a sentence under it. Waits for the arrays, says when they
      fail. */
  class Maps {
    constructor(page, root, controls, kind, key) {
      Object.assign(this, { page, root, controls, key });
      this.grids = page.view.grids.filter((grid) => grid.kind === kind);
      this.map = new hs.Grid((row, column) => this.pick(row, column));
      this.foot = el("div", { class: "hs-map-foot" });
      this.wait = el("p", { class: "hs-muted", role: "status", text: "Loading the scores …" });
      root.replaceChildren(this.wait);
      this.ready().then(
        (arrays) => {
          this.arrays = arrays;
          root.replaceChildren(...this.body());
          this.draw();
        },
        (error) => {
          this.wait.textContent = `The scores could not be read: ${error.message}`;
        },
      );
    }

    /** The arrays by name, as soon as they are there. */
    ready() {
      return this.page.arrays();
    }

    body() {
      return [this.map.root, this.foot];
    }

    /** The method in the link, else the first with a sign: it says for and against. */
    grid() {
      return (
        this.grids.find((grid) => grid.method === this.page.state[this.key])
        || this.grids.find((grid) => grid.signed)
        || this.grids[0]
      );
    }

    /** One `[row, column]` slice; of a continuation that of the explained token. */
    values(grid) {
      const { shape, data } = this.arrays[grid.array],
        size = shape[shape.length - 1] * shape[shape.length - 2];
      const at = grid.targets ? Math.min(this.page.state.gen, shape[0] - 1) * size : 0;
      return data.subarray(at, at + size);
    }

    steer() {
      const names = this.grids.map((grid) => [grid.method, grid.label, grid.explained]);
      const set = (name) => this.page.set({ [this.key]: name });
      const nodes = names.length > 1 ? [hs.switches.choose("Method", names, this.grid().method, set)] : [];
      hs.switches.renew(this.controls, nodes);
    }

    draw() {
      if (!this.arrays) return;
      const grid = this.grid();
      this.steer();
      this.paint(grid, this.values(grid));
      const { label, unit, signed } = grid;
      this.foot.replaceChildren(run.legend({ label, unit, signed }, this.limit(grid)), this.words(grid));
    }

    /** The value of the strongest colour. */
    limit(grid) {
      return grid.limit;
    }

    words(grid) {
      return el("p", { class: "hs-muted", text: [`Explains ${grid.explained}.`, grid.note].filter(Boolean).join(" ") });
    }
  }

  /** Buttons to the positions before and after. */
  run.pages = (from, n, T, move) =>
    el("span", { class: "hs-run-pager" }, [
      el("button", {
        type: "button",
        class: "hs-toggle",
        text: "‹",
        "aria-label": "Earlier positions",
        onclick: () => move(-n),
      }),
      el("span", { text: `positions ${from}–${from + n - 1} of ${T}` }),
      el("button", {
        type: "button",
        class: "hs-toggle",
        text: "›",
        "aria-label": "Later positions",
        onclick: () => move(n),
      }),
    ]);

  run.Maps = Maps;
})();
