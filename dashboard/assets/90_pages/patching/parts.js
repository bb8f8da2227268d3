/* headscope.why.Parts: what every head and MLP adds to the margin: the largest as bars, which with the rest add up to
   it, and all of them as a map. A click switches a part off, or on again. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const why = (hs.why = hs.why || {});
  const { el, number, measured, plural } = hs.dom;
  const MOST_BARS = 12;

  class Parts {
    constructor(page, root) {
      this.page = page;
      this.root = root;
      this.card = root.closest(".hs-card");
      this.found = null;
      this.missing = "Not measured yet: it comes with the first answer above.";
      this.map = new hs.Grid((layer, component) => this.press(layer, component));
      this.box = el("div", {});
      this.whole = el("div", { class: "hs-why-parts" }, [this.box, this.map.root]);
    }

    keep({ parts, no_parts: reason, model, target }) {
      this.found = { parts, reason, heads: model.heads, target };
    }

    press(layer, component) { this.page.toggle(why.codes.off(layer, component, this.found.heads)); }

    draw() {
      if (!this.found) {
        this.root.replaceChildren(el("p", { class: "hs-muted", text: this.page.root.hasAttribute("aria-busy")
          ? "Computing …" : this.missing }));
        return;
      }
      const { parts, reason } = this.found;
      if (!parts) {
        this.root.replaceChildren(el("p", { class: "hs-muted", text: `Not measured: ${reason}.` }));
        return;
      }
      if (!this.whole.isConnected) this.root.replaceChildren(this.whole);
      const held = this.box.contains(document.activeElement) ? document.activeElement.dataset.code : null;
      this.box.replaceChildren(...this.bars(parts));
      if (held) this.box.querySelector(`[data-code="${held}"]`)?.focus({ preventScroll: true });
      this.paint(parts);
    }

    /** [{name, value, layer, component}], the largest first, then the rest in sums. */
    rows({ scores, terms }) {
      const { heads } = this.found;
      const all = scores.flatMap((row, layer) => row.map((value, component) => ({
        value, layer, component, name: component < heads ? `L${layer} H${component}` : `L${layer} MLP`,
      })));
      const order = [...all].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
      const rest = order.slice(MOST_BARS), total = (list) => list.reduce((sum, one) => sum + one.value, 0);
      const [other, mlps] = [true, false].map((head) => rest.filter((one) => one.component < heads === head));
      return [
        ...order.slice(0, MOST_BARS),
        { name: `${plural(other.length, "other head")}`, value: total(other) },
        { name: `${plural(mlps.length, "other MLP")}`, value: total(mlps) },
        ...Object.entries(terms).map(([name, value]) => ({ name, value })),
      ];
    }

    bars(parts) {
      const rows = this.rows(parts), limit = Math.max(...rows.map((row) => Math.abs(row.value)), 1e-9);
      const off = this.page.made.length ? " It is that of the model as it is, whatever is switched off now." : "";
      return [
        el("ul", { class: "hs-why-bars" }, rows.map((row) => this.bar(row, limit))),
        el("p", { class: "hs-said", text: `Together ${number(parts.value, 4)} ${this.unit(parts)} (adds up to within `
          + `${number(Math.abs(parts.delta), 2)}).${off}` }),
      ];
    }

    unit({ quantity }) { return quantity === "logit" ? "(the target’s logit)" : "nats, the margin"; }

    bar(row, limit) {
      const cells = [
        el("span", { class: "name", text: row.name }),
        el("span", { class: `bar ${row.value < 0 ? "negative" : "positive"}`,
          "--t": (Math.abs(row.value) / limit).toFixed(4), "aria-hidden": "true" }, [el("i", {})]),
        el("span", { class: "hs-num", text: number(row.value, 3) }),
      ];
      if (row.layer === undefined) return el("li", {}, [el("div", { class: "hs-why-bar" }, cells)]);
      const code = why.codes.off(row.layer, row.component, this.found.heads), off = this.page.made.includes(code);
      return el("li", {}, [el("button", {
        type: "button", class: "hs-why-bar", "aria-pressed": String(off), "data-code": code,
        title: off ? "Off: click to switch it on again" : "Click to switch it off",
        onclick: () => this.press(row.layer, row.component),
      }, cells)]);
    }

    paint({ scores }) {
      const { heads } = this.found, columns = [...Array.from({ length: heads }, (_, head) => `H${head}`), "MLP"];
      const values = scores.flat().map((value) => value ?? NaN);
      this.map.draw({
        name: "Direct logit attribution", rows: scores.map((_, layer) => String(layer)), columns, values,
        limit: Math.max(...values.map(Math.abs), 1e-9), signed: true,
        hint: "Point at a head or an MLP for its number; click to switch it off, or on again.",
        describe: (l, c, v) => [["Layer", l], ["component", columns[c]], ["adds", measured(v, "nats")]],
      });
    }
  }

  why.Parts = Parts;
})();
