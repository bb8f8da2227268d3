/* headscope.run.Receipts: the evidence for every attribution; what it explains, whether it adds up, whether it beats
   chance. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, svg, number } = hs.dom;
  /* a method that judges itself converges; the scores of another add up, or they do not */
  const SUM = {
    adds_up: ["hs-ok", "check-circle", "adds up"],
    converged: ["hs-ok", "check-circle", "converged"],
    not_converged: ["hs-not", "exclamation-triangle", "not converged"],
  };
  const TEST = {
    better: ["hs-ok", "check-circle"],
    no_better: ["hs-not", "dash-circle"],
    unmeasured: ["hs-muted", "question-circle"],
  };
  const W = 260, H = 96, PAD = 4;

  class Receipts {
    constructor(page) {
      this.page = page;
      this.root = el("div", { class: "hs-receipts" });
      this.open = new Set();
    }

    draw(methods) {
      this.root.replaceChildren(...methods.map((m) => this.receipt(m)));
    }

    receipt(m) {
      const badge = SUM[m.verdict],
        test = m.receipt && TEST[m.receipt.tone];
      const rows = [
        ...m.facts,
        ...(m.error || m.total === null ? [] : [["sum of scores", `${number(m.total)} ${m.unit}`]]),
      ];
      const details = el("details", { open: this.open.has(m.method) }, [
        el("summary", { text: "Settings and evidence" }),
        this.evidence(m.receipt),
        list(rows),
      ]);
      details.addEventListener("toggle", () => (details.open ? this.open.add(m.method) : this.open.delete(m.method)));
      return el("section", { class: `hs-receipt ${m.verdict}`, "data-method": m.method }, [
        el("h3", {}, [m.label, badge ? mark(badge[0], badge[1], badge[2]) : null]),
        m.error
          ? null
          : el(
              "p",
              { class: "hs-receipt-test" },
              m.receipt
                ? [mark(test[0], test[1], m.receipt.words)]
                : [mark("hs-muted", "question-circle", this.untested(m))],
            ),
        m.receipt && m.receipt.gain !== null ? gain(m.receipt) : null,
        el("p", { class: "hs-muted", text: [m.summary, m.note].filter(Boolean).join(" ") }),
        m.warning ? el("p", { class: "hs-run-warning", role: "note", text: m.warning }) : null,
        m.error ? el("p", { class: "hs-run-warning", role: "note", text: `No scores: ${m.error}` }) : null,
        m.error ? list(rows) : details,
      ]);
    }

    untested(m) {
      if (!m.strip) return "no score per token to test";
      return m.method.startsWith("perturbation_")
        ? "not tested: receipts need the model itself"
        : "not tested: add receipts to --analyses";
    }

    evidence(receipt) {
      if (!receipt) return null;
      const has = receipt.fractions.length > 0;
      return el("div", { class: "hs-evidence" }, [
        has
          ? curve("Removed first to last", receipt.fractions, receipt.deletion, receipt.random_deletion, receipt.unit)
          : null,
        has
          ? curve("Kept first to last", receipt.fractions, receipt.insertion, receipt.random_insertion, receipt.unit)
          : null,
        list(receipt.rows),
      ]);
    }
  }

  const mark = (tone, icon, text) =>
    el("span", { class: tone }, [el("i", { class: `bi bi-${icon}`, "aria-hidden": "true" }), ` ${text}`]);
  const list = (rows) =>
    el(
      "dl",
      {},
      rows.flatMap(([term, value]) => [el("dt", { text: term }), el("dd", { text: value })]),
    );

  /** The gain as a point on a line, the middle 95 % of random orders as a bar. */
  function gain({ gain: here, random_low: low, random_high: high, tone, unit }) {
    const from = Math.min(here, low, 0),
      to = Math.max(here, high, 0),
      x = (v) => PAD + ((v - from) / (to - from || 1)) * (W - 2 * PAD);
    return svg(
      "svg",
      {
        class: `hs-receipt-gain ${tone}`,
        viewBox: `0 0 ${W} 18`,
        role: "img",
        "aria-label": `Gain ${number(here)} ${unit}; random orders ${number(low)} to ${number(high)}`,
      },
      [
        svg("line", { class: "axis", x1: PAD, x2: W - PAD, y1: 9, y2: 9 }),
        svg("line", { class: "zero", x1: x(0), x2: x(0), y1: 2, y2: 16 }),
        svg("rect", { class: "chance", x: x(low), width: Math.max(1, x(high) - x(low)), y: 5, height: 8, rx: 2 }),
        svg("circle", { class: "here", cx: x(here), cy: 9, r: 4.5 }),
      ],
    );
  }

  /** A curve over the share of tokens, with the mean of random orders dashed. */
  function curve(title, fractions, values, random, unit) {
    const all = [...values, ...random, 0].filter((v) => v !== null), low = Math.min(...all), high = Math.max(...all);
    const x = (f) => PAD + f * (W - 2 * PAD), y = (v) => PAD + (1 - (v - low) / (high - low || 1)) * (H - 2 * PAD);
    const line = (points, kind) =>
      svg("polyline", {
        class: kind,
        points: points.map((v, i) => (v === null ? "" : `${x(fractions[i]).toFixed(1)},${y(v).toFixed(1)}`)).join(" "),
      });
    const drawing = svg(
      "svg",
      {
        class: "hs-curve",
        viewBox: `0 0 ${W} ${H}`,
        role: "img",
        "aria-label": `${title}: change from ${number(values[0], 3)} to ${number(values[values.length - 1], 3)} `
          + `${unit}`,
      },
      [
        svg("line", { class: "zero", x1: PAD, x2: W - PAD, y1: y(0), y2: y(0) }),
        line(random, "chance"),
        line(values, "here"),
      ],
    );
    return el("figure", {}, [
      el("figcaption", {}, [
        el("b", { text: title }),
        ` fall in ${unit}, ${number(low, 3)} to ${number(high, 3)}; dashed: random`,
      ]),
      drawing,
    ]);
  }

  run.Receipts = Receipts;
})();
