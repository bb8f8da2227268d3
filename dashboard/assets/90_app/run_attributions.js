/* headscope.run.Attributions: one column per token, one row per method, and each method's receipt. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, label, number, quoted } = hs.dom;

  class Attributions {
    constructor(page, root, controls) {
      this.page = page;
      this.methods = page.view.attributions;
      this.tokens = page.view.tokens.tokens;
      this.controls = controls;
      this.box = el("div", { class: "hs-attr", tabindex: "0", role: "region", "aria-label": "Attributions, methods by tokens" });
      root.replaceChildren(this.box, el("div", { class: "hs-receipts" }, this.methods.map((m) => this.receipt(m))));
      this.box.addEventListener("click", (event) => {
        const node = event.target.closest("[data-p]");
        if (node) page.set({ pos: Number(node.dataset.p) });
      });
    }

    draw() {
      const s = this.page.state;
      this.controls.replaceChildren(
        run.choose("Scale", [["own", "Own scale", "Each method is stretched to its own largest score"], ["shared", "Shared scale", "Methods that measure the same quantity in the same unit share one scale"]], s.shares, (shares) => this.page.set({ shares })),
        run.toggle("0.12", "Show every number", s.numbers, (numbers) => this.page.set({ numbers })));
      this.box.classList.toggle("numbers", s.numbers);
      const heads = this.tokens.map((t) => el("th", { scope: "col", "data-p": t.index, class: s.pos === t.index ? "on" : null, title: `${t.index} ${quoted(t.text)}`, text: label(t.text, 11) }));
      const kept = this.box.scrollLeft;
      this.box.replaceChildren(el("table", {}, [el("thead", {}, [el("tr", {}, [el("th", { scope: "col" }), ...heads])]), el("tbody", {}, this.methods.map((m) => this.row(m)))]));
      this.box.scrollLeft = kept;
    }

    row(method) {
      const name = el("th", { scope: "row", title: method.summary }, [el("span", { text: method.label }), el("small", { text: method.error ? "failed" : method.unit })]);
      if (method.error) return el("tr", { class: "failed" }, [name, el("td", { colspan: this.tokens.length, text: method.error })]);
      const limit = this.page.state.shares === "shared" ? method.shared_limit : method.limit;
      const top = method.scores.reduce((best, v, i) => (v !== null && (best < 0 || Math.abs(v) > Math.abs(method.scores[best])) ? i : best), -1);
      return el("tr", { class: method.signed ? "signed" : "unsigned" }, [name, ...method.scores.map((v, i) => this.cell(method, v, i, limit, i === top))]);
    }

    cell(method, v, i, limit, top) {
      if (v === null) return el("td", { "data-p": i, class: "unmeasured", title: `${quoted(this.tokens[i].text)}: not measured by ${method.label.toLowerCase()}` }, [el("i", {}), el("span", { text: "–" })]);
      const level = limit > 0 ? v / limit : 0;
      return el("td", { "data-p": i, class: `${v < 0 ? "negative" : "positive"}${top ? " top" : ""}`, title: `${quoted(this.tokens[i].text)}\n${method.label}: ${number(v, 6)} ${method.unit}`,
        "--t": Math.abs(level).toFixed(4), "--bar": hs.color.css(method.signed ? Math.sign(level) * (0.35 + 0.5 * Math.abs(level)) : 0.45 + 0.4 * level, method.signed) }, [el("i", {}), el("span", { text: number(v, 2) })]);
    }

    receipt(m) {
      const rows = [...m.receipt, ...(m.error || m.total === null ? [] : [["sum of scores", `${number(m.total)} ${m.unit}`]])];
      const badge = { converged: ["hs-ok", "check-circle", "converged"], not_converged: ["hs-not", "exclamation-triangle", "not converged"] }[m.verdict];
      return el("section", { class: `hs-receipt ${m.verdict}` }, [
        el("h3", {}, [m.label, badge ? el("span", { class: badge[0] }, [el("i", { class: `bi bi-${badge[1]}`, "aria-hidden": "true" }), ` ${badge[2]}`]) : null]),
        el("p", { class: "hs-muted", text: m.summary }),
        m.warning ? el("p", { class: "hs-run-warning", role: "note", text: m.warning }) : null,
        m.error ? el("p", { class: "hs-run-warning", role: "note", text: `No scores: ${m.error}` }) : null,
        el("dl", {}, rows.flatMap(([term, value]) => [el("dt", { text: term }), el("dd", { text: value })]))]);
    }
  }

  run.Attributions = Attributions;
})();
