/* The logit lens of two runs: [data-compare-lens] (pages/compare_lens.py) becomes lines by layer, probability above
   rank, A | B | A - B, on one scale, with one read-out for all six. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const { el, context, quoted, number, percent } = hs.dom,
    { floats } = hs.tensors;
  const LEFT = 56,
    RIGHT = 8,
    TOP = 8,
    LOW = 34,
    HEIGHT = 178,
    DASH = { target: [], foil: [6, 4] };
  const COLOUR = { target: "--hs-accent", foil: "--hs-busy" };

  /** Values of one token: {role, a, b: {text, prob, rank} or null, prob, rank: differences, empty where there is
      none}. */
  function unpack(token) {
    const side = (one) => one && { text: one.text, prob: floats(one.prob), rank: floats(one.rank) };
    return { role: token.role, a: side(token.a), b: side(token.b), prob: floats(token.prob), rank: floats(token.rank) };
  }

  const times = (log) => {
    const n = 10 ** Math.abs(log);
    return log === 0 ? "the same" : `${log > 0 ? "×" : "÷"}${n < 10 ? n.toFixed(1) : Math.round(n)}`;
  };

  /** What a panel draws: caption, lines [{role, values}] at heights in [0, 1], ticks [[height, text]]. */
  function panels(view, tokens) {
    const of = (side, kind) => tokens.filter((t) => t[side]).map((t) => ({ role: t.role, values: t[side][kind] }));
    const apart = (kind) => tokens.filter((t) => t[kind].length).map((t) => ({ role: t.role, values: t[kind] }));
    const decades = Math.log10(view.rank),
      whole = Array.from({ length: Math.floor(decades) + 1 }, (_, i) => i);
    const p = (v) => v / view.top,
      r = (v) => 1 - Math.log10(v) / decades,
      short = (n) => (n >= 1000 ? `${n / 1000}k` : String(n));
    const ticks = [0, 0.5, 1].map((h) => [h, percent(h * view.top)]),
      rankTicks = whole.map((d) => [1 - d / decades, short(10 ** d)]);
    const apartTicks = [-1, 0, 1].map((h) => [0.5 + h / 2, h === 0 ? "0" : `${h < 0 ? "−" : "+"}${percent(view.top)}`]);
    const step = Math.max(1, Math.floor(decades)),
      ratioTicks = [-step, 0, step].map((d) => [0.5 - d / (2 * decades), d === 0 ? "same" : times(d)]);
    return [
      ...["a", "b"].map((side) => ({
        caption: `Probability · ${side.toUpperCase()}`,
        lines: of(side, "prob"),
        at: p,
        ticks,
      })),
      { caption: "Probability · A − B", lines: apart("prob"), at: (v) => 0.5 + p(v) / 2, ticks: apartTicks },
      ...["a", "b"].map((side) => ({
        caption: `Rank · ${side.toUpperCase()}`,
        lines: of(side, "rank"),
        at: r,
        ticks: rankTicks,
      })),
      {
        caption: "Rank · A ÷ B (up: higher in A)",
        lines: apart("rank"),
        at: (v) => 0.5 - v / (2 * decades),
        ticks: ratioTicks,
      },
    ];
  }

  class Lines {
    constructor(panel, look) {
      Object.assign(this, panel);
      this.depth = Math.max(0, ...this.lines.map((line) => line.values.length));
      this.canvas = el("canvas", {
        class: "hs-compare-lines",
        tabindex: "0",
        role: "img",
        "aria-label": `${this.caption}, ${this.depth} layers. Arrow keys read a layer; the table below has all `
          + `numbers.`,
      });
      const content = this.depth
        ? this.canvas
        : el("p", { class: "hs-muted", text: "None: the sentences below say why." });
      this.root = el("figure", {}, [el("figcaption", { text: this.caption }), content]);
      this.canvas.addEventListener("mousemove", (event) => look(Math.round((event.offsetX - LEFT) / this.step)));
      this.canvas.addEventListener("mouseleave", () => look(null));
      this.canvas.addEventListener("blur", () => look(null));
      this.canvas.addEventListener("keydown", (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!by) return;
        event.preventDefault();
        look((this.layer ?? (by > 0 ? -1 : this.depth)) + by);
      });
    }

    draw(layer) {
      if (!this.depth) return;
      this.layer = layer;
      const width = Math.max(200, this.root.clientWidth),
        c = context(this.canvas, width, HEIGHT),
        high = HEIGHT - TOP - LOW;
      const x = (l) => LEFT + l * this.step,
        y = (h) => TOP + (1 - h) * high;
      this.step = (width - LEFT - RIGHT) / Math.max(1, this.depth - 1);
      this.axes(c, x, y, width);
      if (layer !== null && layer < this.depth) {
        c.fillStyle = hs.color.variable("--hs-ink-3");
        c.fillRect(x(layer) - 0.5, TOP, 1, high);
      }
      for (const { role, values } of this.lines) this.line(c, role, values, x, y);
    }

    axes(c, x, y, width) {
      c.font = hs.color.font(11);
      c.textBaseline = "middle";
      c.textAlign = "right";
      for (const [height, text] of this.ticks) {
        c.fillStyle = hs.color.variable("--hs-line");
        c.fillRect(LEFT, Math.round(y(height)), width - LEFT - RIGHT, 1);
        c.fillStyle = hs.color.variable("--hs-ink-3");
        c.fillText(text, LEFT - 6, y(height));
      }
      c.textAlign = "center";
      const every = Math.max(1, Math.ceil(this.depth / 7));
      for (let l = 0; l < this.depth; l += every) c.fillText(String(l), x(l), y(0) + 12);
      c.fillText("after layer", LEFT + (width - LEFT - RIGHT) / 2, y(0) + 27);
    }

    line(c, role, values, x, y) {
      c.strokeStyle = c.fillStyle = hs.color.variable(COLOUR[role]);
      c.lineWidth = 1.75;
      c.setLineDash(DASH[role]);
      c.beginPath();
      values.forEach((v, l) => c[l && !Number.isNaN(values[l - 1]) ? "lineTo" : "moveTo"](x(l), y(this.at(v))));
      c.stroke();
      c.setLineDash([]);
      values.forEach((v, l) => {
        c.beginPath();
        c.arc(x(l), y(this.at(v)), l === this.layer ? 4 : 2, 0, 7);
        c.fill();
      });
    }
  }

  /** Every number after one layer. */
  function words(view, tokens, layer) {
    const one = (side, l) =>
      side && l < side.prob.length ? `${percent(side.prob[l])}, rank ${number(side.rank[l])}` : "–";
    const rows = tokens.map((t) => {
      const gap = t.prob.length ? `, apart ${number(100 * t.prob[layer], 3)} points, rank ${times(t.rank[layer])}` : "";
      return [`${t.role} ${quoted((t.a || t.b).text)}`, `A ${one(t.a, layer)}; B ${one(t.b, layer)}${gap}`];
    });
    const tops = view.tops
      .map((texts, i) => ["top of " + "AB"[i], texts[layer] === undefined ? "–" : quoted(texts[layer])])
      .filter((_, i) => view.tops[i].length);
    return hs.dom.pairs([["After layer", String(layer)], ...rows, ...tops]);
  }

  function keyOf({ role, a, b }) {
    const texts = new Set([a, b].filter(Boolean).map((side) => quoted(side.text)));
    return el("span", { class: "hs-legend-scale" }, [
      el("i", { class: `hs-line-key ${role}` }), el("span", { text: `${role} ${[...texts].join(" and ")}` }),
    ]);
  }

  const key = (tokens) => el("div", { class: "hs-compare-legend" }, tokens.map(keyOf));

  hs.canvases("data-compare-lens", (node) => {
    const view = JSON.parse(node.dataset.compareLens),
      tokens = view.tokens.map(unpack);
    const depth = Math.max(...tokens.flatMap((t) => [t.a, t.b]).map((side) => (side ? side.prob.length : 0)));
    const read = el("div", { class: "hs-run-facts hs-compare-lens-read", role: "status" });
    let at = null;
    const look = (layer) => {
      at = layer === null ? null : Math.max(0, Math.min(depth - 1, layer));
      draw();
    };
    const all = panels(view, tokens).map((panel) => new Lines(panel, look));
    const draw = () => {
      all.forEach((lines) => lines.draw(at));
      read.replaceChildren(
        ...(at === null
          ? [el("span", { class: "hs-muted", text: "Point at a layer for its numbers." })]
          : words(view, tokens, at)),
      );
    };
    node.replaceChildren(
      key(tokens),
      el(
        "div",
        { class: "hs-compare-panels hs-compare-lens-panels" },
        all.map((lines) => lines.root),
      ),
      read,
    );
    draw();
    return draw;
  });
})();
