/* headscope.run.Attributions: one column per token, word or sentence, one row per method; for a continuation, of one
   generated token. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, label, number, quoted, roving } = hs.dom;

  const FEW = 5; // methods whose rows are tall

  class Attributions {
    constructor(page, root, controls) {
      this.page = page;
      this.methods = page.view.attributions;
      this.sources = page.view.sources;
      this.controls = controls;
      this.explained = el("div", { class: "hs-explained", role: "group", "aria-label": "Explained token" });
      this.box = el("div", {
        class: "hs-attr",
        tabindex: "0",
        role: "region",
        "aria-label": "Attributions, methods by tokens",
      });
      this.settle = roving(this.explained, "button");
      this.receipts = new run.Receipts(page);
      root.replaceChildren(this.explained, this.box, this.receipts.root);
      this.box.addEventListener("click", (event) => {
        const node = event.target.closest("[data-p]");
        if (event.target.closest(".hs-attr-jump")) this.jump(event.target.closest("tr"));
        else if (node) this.click(Number(node.dataset.p));
      });
      if (this.sources)
        page.arrays().then(
          (arrays) => {
            this.arrays = arrays;
            this.draw();
          },
          (error) => {
            this.problem = error.message;
            this.draw();
          },
        );
    }

    /** A generated token is explained next; a token of the prompt is selected everywhere. */
    click(index) {
      const n = this.sources ? this.sources.n_prompt : Infinity;
      this.page.set(index >= n ? { gen: index - n } : { pos: index });
    }

    /** Bring the largest score of a row into sight, inside the card only. */
    jump(row) {
      const cell = row.querySelector("td.top");
      this.show(cell);
      this.page.set({ pos: Number(cell.dataset.p) });
    }

    show(cell) {
      const names = cell.parentElement.firstChild.offsetWidth;
      this.box.scrollLeft = cell.offsetLeft - names - (this.box.clientWidth - names - cell.offsetWidth) / 2;
    }

    /** Rows wider than the card open at the chosen token, else at the largest score of the first; then the reader
        scrolls. */
    reveal() {
      const cell = this.box.querySelector("thead th.on") || this.box.querySelector("td.top");
      if (this.revealed || !cell || !this.box.clientWidth) return;
      this.revealed = true;
      if (cell.offsetLeft + cell.offsetWidth > this.box.clientWidth) this.show(cell);
    }

    /** Methods whose rows are shown: those in the link, else all. */
    chosen() {
      const asked = this.page.state.methods.split(",").filter(Boolean);
      return asked.length ? this.methods.filter((m) => asked.includes(m.method)) : this.methods;
    }

    /** Columns by granularity: {index, count, text, generated}. */
    columns() {
      const { grain } = this.page.state,
        from = this.sources || this.page.view.tokens;
      return from[`${grain}s`];
    }

    /** Scores of one row, null where not measured, and the scale it is drawn on. */
    scores(m) {
      const { grain, shares, gen } = this.page.state,
        limit = (shares === "shared" ? m.shared_limit : m.limit)[grain];
      if (!this.sources || m.scores.length)
        return {
          scores: grain === "token" ? m.scores : m[`${grain}s`],
          errors: grain === "token" ? m.errors : m[`${grain}_errors`],
          limit,
        };
      const found = this.arrays && this.arrays[`${grain}s.${m.index}`];
      if (!found) return null;
      const n = found.shape[1];
      return {
        errors: [],
        scores: Array.from(found.data.subarray(gen * n, (gen + 1) * n), (v) => (Number.isNaN(v) ? null : v)),
        limit,
      };
    }

    draw() {
      this.steer();
      const s = this.page.state, shown = this.chosen(), strips = shown.filter((m) => m.strip || m.error);
      this.box.classList.toggle("numbers", s.numbers);
      this.box.classList.toggle("dense", strips.length > FEW);
      this.generated();
      const kept = this.box.scrollLeft;
      const none = shown.length ? "None of the chosen methods has one score per token; their grids are "
        + "below." : "No method is chosen.";
      this.box.replaceChildren(strips.length ? this.table(strips, s) : el("p", { class: "hs-muted", text: none }));
      this.box.scrollLeft = kept;
      this.reveal();
      this.receipts.draw(shown);
    }

    table(strips, { pos, gen }) {
      const most = this.page.state.grain === "sentence" ? 28 : 14; // characters of a column's name
      const columns = this.columns(), here = this.sources ? this.sources.n_prompt + gen : Infinity;
      const within = (i, { index, count }) => i !== null && i >= index && i < index + count;
      const heads = columns.map((c) => {
        const kind = [(within(pos, c) || within(here, c)) && "on", c.generated && "generated"].filter(Boolean);
        const title = `${c.index} ${quoted(c.text)}`, text = label(c.text, most);
        return el("th", { scope: "col", "data-p": c.index, class: kind.join(" ") || null, title, text });
      });
      const waiting = this.problem ? "not read" : "…";
      const rows = strips.map((m) => {
        const found = m.error ? null : this.scores(m);
        return run.attributionRow(m, columns, { found, waiting, here });
      });
      const head = el("tr", {}, [el("th", { scope: "col" }), ...heads]);
      return el("table", {}, [el("thead", {}, [head]), el("tbody", {}, rows)]);
    }

    steer() {
      const s = this.page.state;
      hs.switches.renew(
        this.controls,
        [
          this.quantity(),
          this.methods.length > 1 ? this.picker() : null,
          hs.switches.choose("Granularity", run.GRAINS, s.grain, (grain) => this.page.set({ grain })),
          hs.switches.choose(
            "Scale",
            [
              ["own", "Own scale", "Each method is stretched to its own largest score"],
              ["shared", "Shared scale", "Methods that measure the same quantity in the same unit share one scale"],
            ],
            s.shares,
            (shares) => this.page.set({ shares }),
          ),
          hs.switches.toggle("0.12", "Show every number", s.numbers, (numbers) => this.page.set({ numbers })),
        ].filter(Boolean),
      );
    }

    /** A menu of check boxes; what is ticked is in the link. */
    picker() {
      const all = this.methods.map((m) => m.method),
        on = new Set(this.chosen().map((m) => m.method));
      const set = (names) => this.page.set({ methods: names.length === all.length ? "" : names.join(",") });
      const boxes = this.methods.map((m) =>
        el("label", { class: "hs-tick", title: m.summary }, [
          el("input", {
            type: "checkbox",
            checked: on.has(m.method),
            value: m.method,
            onchange: (event) => {
              if (event.target.checked) on.add(m.method);
              else on.delete(m.method);
              set(all.filter((name) => on.has(name)));
            },
          }),
          m.label,
        ]),
      );
      const menu = el("details", { class: "hs-menu hs-scope-menu", open: this.open }, [
        el("summary", { class: "hs-button" }, [
          `Methods ${on.size}/${all.length}`,
          el("i", { class: "bi bi-chevron-down", "aria-hidden": "true" }),
        ]),
        el("div", { class: "hs-menu-list" }, [
          el("button", { type: "button", text: "All", onclick: () => set(all) }),
          ...boxes,
        ]),
      ]);
      menu.addEventListener("toggle", () => {
        this.open = menu.open;
      });
      return menu;
    }

    /** Which quantity is explained: others of the same prompt are a click away, or computed on request. */
    quantity() {
      if (!this.page.view.target || !this.page.view.explains) return null;
      this.explains = this.explains || new run.ExplainsMenu(this.page);
      return this.explains.root;
    }

    /** The generated tokens: which one is explained. */
    generated() {
      this.explained.hidden = !this.sources;
      if (!this.sources) return;
      const { gen } = this.page.state,
        { tokens, n_prompt: n, logprobs } = this.sources;
      this.explained.replaceChildren(
        el("span", { class: "hs-muted", text: "Explained token " }),
        ...tokens
          .slice(n)
          .map((t, i) =>
            el("button", {
              type: "button",
              class: "hs-run-chip",
              "data-gen": i,
              "aria-pressed": String(i === gen),
              title: `log-probability ${number(logprobs[i])} nats`,
              text: t.text.replace(/\n/g, "⏎"),
              onclick: () => this.page.set({ gen: i }),
            }),
          ),
        el("span", {
          class: "hs-muted",
          text: this.problem
            ? ` Scores could not be read: ${this.problem}`
            : this.arrays
              ? ` log-probability ${number(logprobs[gen])} nats`
              : " loading scores …",
        }),
      );
      this.settle();
    }
  }

  run.Attributions = Attributions;
})();
