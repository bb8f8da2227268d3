/* headscope.run.Lens: the logit lens as a table, layers down, positions across. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, label, quoted, number, percent } = hs.dom;
  const COLOURS = [["prob", "Probability"], ["entropy", "Entropy"]];
  const LEGENDS = {
    prob: { label: "Probability", unit: "of the top token" }, entropy: { label: "Entropy", unit: "bits" },
  };
  const WINDOW = 96;

  class Lens {
    constructor(page, root, controls) {
      this.page = page;
      this.view = page.view.lens;
      this.controls = controls;
      this.box = el("div", {
        class: "hs-lens",
        tabindex: "0",
        role: "region",
        "aria-label": "Logit lens, layers by positions",
      });
      this.facts = el("div", { class: "hs-run-facts", role: "status" });
      this.foot = el("div", {});
      root.replaceChildren(this.box, el("div", { class: "hs-run-chips-foot" }, [this.facts, this.foot]));
      this.from = Math.max(
        0,
        Math.min(this.view.positions.length - WINDOW, Math.max(0, page.position() - 1 - WINDOW / 2)),
      );
      this.box.addEventListener("mouseover", (event) => this.look(event.target.closest("td[data-p]")));
      this.box.addEventListener("mouseleave", () => this.look(null));
      this.box.addEventListener("click", (event) => this.click(event.target.closest("[data-p]")));
    }

    click(node) {
      if (!node) return;
      const change = { pos: Number(node.dataset.p) + 1 };
      if (node.dataset.l !== undefined) change.layer = Number(node.dataset.l);
      this.page.set(change);
    }

    draw() {
      const s = this.page.state, entropy = s.lens === "entropy";
      this.top = entropy ? Math.max(...this.view.entropies.flat().map((v) => v ?? 0), 1e-9) : 1;
      this.controls.replaceChildren(
        hs.switches.choose("Lens colour", COLOURS, s.lens, (lens) => this.page.set({ lens })),
      );
      const n = Math.min(WINDOW, this.view.positions.length), at = this.page.position() - 1;
      if (at !== this.at && (at < this.from || at >= this.from + n))
        this.from = Math.max(0, Math.min(this.view.positions.length - n, at - WINDOW / 2));
      this.at = at;
      const columns = Array.from({ length: n }, (_, i) => this.from + i);
      const kept = this.box.scrollLeft;
      this.box.replaceChildren(
        el("table", {}, [this.head(columns), el("tbody", {}, this.view.texts.map((_, l) => this.row(l, columns)))]),
      );
      this.box.scrollLeft = kept;
      this.reveal();
      this.foot.replaceChildren(
        run.legend({ ...LEGENDS[entropy ? "entropy" : "prob"], signed: false }, this.top),
        ...this.pager(n),
      );
      this.look(null);
    }

    /** Bring the selected position into sight when it is another one than before, inside the card only. */
    reveal() {
      const position = this.page.position(), th = this.box.querySelector(`thead [data-p="${position - 1}"]`);
      if (!th || this.revealed === position || !this.box.clientWidth) return;
      this.revealed = position;
      const names = this.box.querySelector("thead th").offsetWidth,
        left = th.offsetLeft - names,
        right = th.offsetLeft + th.offsetWidth;
      if (left < this.box.scrollLeft || right > this.box.scrollLeft + this.box.clientWidth)
        this.box.scrollLeft = right - this.box.clientWidth / 2;
    }

    head(columns) {
      const cells = columns.map((p) =>
        el("th", {
          scope: "col",
          "data-p": p,
          class: this.page.position() - 1 === p ? "on" : null,
          title: `After token ${p}: what follows “${this.view.positions[p]}”`,
          text: this.view.positions[p],
        }),
      );
      return el("thead", {}, [el("tr", {}, [el("th", { scope: "col", text: "layer" }), ...cells])]);
    }

    row(l, columns) {
      const entropy = this.page.state.lens === "entropy";
      const cells = columns.map((p) => {
        const value = entropy ? this.view.entropies[l][p] : this.view.probs[l][p],
          level = value === null ? 0 : value / this.top;
        const kind = [
          value === null && "unmeasured",
          this.view.final[l][p] && "final",
          this.view.decided[p] === l && "decided",
        ]
          .filter(Boolean)
          .join(" ");
        return el("td", {
          "data-l": l,
          "data-p": p,
          class: kind,
          "--chip": value === null ? null : hs.color.css(level, false),
          "--ink": value === null ? null : hs.color.ink(level, false),
          text: label(this.view.texts[l][p], 9),
        });
      });
      return el("tr", { class: this.page.state.layer === l ? "on" : null }, [
        el("th", { scope: "row", text: String(l) }),
        ...cells,
      ]);
    }

    look(node) {
      if (!node) {
        this.facts.replaceChildren(
          el("span", {
            class: "hs-muted",
            text: "Each cell: the token the model would say next, read after that layer. Underlined: already the "
              + "final answer; the bar marks the layer from which it stays.",
          }),
        );
        return;
      }
      const l = Number(node.dataset.l), p = Number(node.dataset.p), v = this.view;
      const rows = [
        ["After layer", String(l)],
        ["after token", `${p} “${v.positions[p]}”`],
        ["Top", quoted(v.texts[l][p])],
        ["Probability", `${number(v.probs[l][p])} (${percent(v.probs[l][p])})`],
        ["Entropy", `${number(v.entropies[l][p])} bits`],
        ["Final answer", v.final[l][p] ? "the same" : quoted(v.texts[v.texts.length - 1][p])],
        ["Stays from layer", String(v.decided[p])],
      ];
      this.facts.replaceChildren(...hs.dom.pairs(rows));
    }

    pager(n) {
      const T = this.view.positions.length;
      if (n === T) return [];
      const move = (by) => { this.from = Math.max(0, Math.min(T - n, this.from + by)); this.draw(); };
      return [run.pages(this.from, n, T, move)];
    }
  }

  run.Lens = Lens;
})();
