/* headscope.run maps: where in the layers the evidence enters, what each head and MLP writes, whether heads that look
   important are, and the sources of every generated token. All of them grids over the arrays of the run's attributions. */
(function () {
  ("use strict");
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, number, measured, quoted } = hs.dom;
  const WINDOW = 128;

  /** Grids of one kind: a choice of method, the drawing, a sentence under it. Waits for the arrays, says when they fail. */
  class Maps {
    constructor(page, root, controls, kind, key) {
      Object.assign(this, { page, root, controls, key });
      this.grids = page.view.grids.filter((grid) => grid.kind === kind);
      this.map = new hs.Grid((row, column) => this.pick(row, column));
      this.foot = el("div", { class: "hs-map-foot" });
      this.wait = el("p", { class: "hs-muted", role: "status", text: "Loading the scores …" });
      root.replaceChildren(this.wait);
      page.arrays().then(
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
      if (!this.key || this.grids.length < 2) return this.controls.replaceChildren();
      const names = this.grids.map((grid) => [grid.method, grid.label, grid.explained]);
      return this.controls.replaceChildren(
        hs.switches.choose("Method", names, this.grid().method, (name) => this.page.set({ [this.key]: name })),
      );
    }

    draw() {
      if (!this.arrays) return;
      const grid = this.grid();
      this.steer();
      this.paint(grid, this.values(grid));
      this.foot.replaceChildren(
        run.legend({ label: grid.label, unit: grid.unit, signed: grid.signed }, grid.limit),
        this.words(grid),
      );
    }

    words(grid) {
      return el("p", { class: "hs-muted", text: [`Explains ${grid.explained}.`, grid.note].filter(Boolean).join(" ") });
    }
  }

  /** Layer x position. */
  class Flow extends Maps {
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

  /** Layer x (heads and MLP), with what is neither. */
  class Components extends Maps {
    constructor(page, root, controls) {
      super(page, root, controls, "components", null);
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
            ["writes", measured(v, grid.unit)],
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

  /** Two grids of heads: what the attention looks like, and what happens to the quantity when the head is taken away. */
  class Looks extends Maps {
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
      if (stat) {
        const looks = Float32Array.from(stat.values.flat(), (v) => v ?? NaN),
          limit = looks.reduce((m, v) => Math.max(m, Math.abs(v) || 0), 0);
        this.left.draw(
          {
            ...view,
            name: stat.label,
            values: looks,
            limit,
            signed: false,
            describe: (l, h, v) => [
              ["Head", `L${l} H${h}`],
              [stat.label, v === null ? "not defined here" : number(v)],
            ],
          },
          marks,
        );
      }
      this.map.draw(
        {
          ...view,
          name: grid.label,
          values,
          limit: grid.limit,
          signed: grid.signed,
          describe: (l, h, v) => [
            ["Head", `L${l} H${h}`],
            [grid.label, measured(v, grid.unit)],
          ],
        },
        marks,
      );
      this.verdict.replaceChildren(this.judge(grid, stat));
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
        ` Spearman of “${stat.label.toLowerCase()}” with the size of the effect ${say(size)}, with its direction ${say(direction)}, over ${size.n} heads of this one prompt.`,
      ]);
    }

    pick(l, h) {
      this.page.head(l, h);
    }
  }

  /** Generated token x source token. */
  class Sources extends Maps {
    constructor(page, root, controls) {
      super(page, root, controls, "none", "source");
    }

    body() {
      this.grids = this.page.view.attributions.filter((m) => m.strip);
      return super.body();
    }

    columns() {
      const { grain } = this.page.state;
      return this.page.view.sources[grain === "word" ? "words" : "tokens"];
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
          limit: m.limit[this.page.state.grain],
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

    draw() {
      if (!this.arrays) return;
      const m = this.grid();
      this.steer();
      this.paint(m, this.values(m));
      this.foot.replaceChildren(
        run.legend({ label: m.label, unit: m.unit, signed: m.signed }, m.limit[this.page.state.grain]),
      );
    }

    pick(row) {
      this.page.set({ gen: row });
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

  Object.assign(run, { Flow, Components, Looks, Sources });
})();
