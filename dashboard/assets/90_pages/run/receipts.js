/* headscope.run.Receipts: the evidence for every attribution; what it explains, whether it adds up, whether it beats
   chance and recency. headscope.run.verdictMark: a verdict's sign and words. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, number } = hs.dom;
  /* a method that judges itself converges; the scores of another add up, or they do not */
  const SUM = {
    adds_up: ["good", "check-circle", "adds up"],
    off: ["warn", "exclamation-triangle", "does not add up"],
    converged: ["good", "check-circle", "converged"],
    not_converged: ["bad", "exclamation-triangle-fill", "not converged"],
  };

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
      const badge = m.receipt && m.verdict === "not_converged" ? null : SUM[m.verdict]; // the receipt says it
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
                ? [run.verdictMark(m.receipt, m.receipt.words)]
                : [mark("none", "question-circle", this.untested(m))],
            ),
        m.receipt && m.receipt.curves.length ? run.gainLine(m.receipt, m.receipt.curves[0]) : null,
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
      return receipt && el("div", { class: "hs-evidence" }, [
        receipt.curves.length ? run.removalCurves(receipt) : null, list(receipt.rows),
      ]);
    }
  }

  const mark = (tone, icon, text) =>
    el("span", { class: `hs-verdict-${tone}` }, [
      el("i", { class: `bi bi-${icon}`, "aria-hidden": "true" }), ` ${text}`,
    ]);
  const list = (rows) =>
    el(
      "dl",
      {},
      rows.flatMap(([term, value]) => [el("dt", { text: term }), el("dd", { text: value })]),
    );

  run.verdictMark = ({ tone, icon }, text) => mark(tone, icon, text);
  run.Receipts = Receipts;
})();
