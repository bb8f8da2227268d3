/* headscope.attention.Readout: the numbers of a cell or of a query in words, and its strongest keys as bars. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const attention = (hs.attention = hs.attention || {});
  const { el, number, quoted, label, debounced } = hs.dom;
  const REST_MS = 30, STRONGEST = 6;

  class Readout {
    /** tokens: {query: [string], key: [string]}; row(layer, head, query) -> Promise<[T] exact weights>, or
        undefined. */
    constructor(tokens, row) {
      this.tokens = tokens;
      this.row = row;
      this.root = el("p", { class: "hs-attn-readout", role: "status", "aria-live": "polite" });
      this.reads = el("div", { class: "hs-attn-reads" });
      this.ask = debounced((wanted) => this.exact(wanted), REST_MS);
    }

    /** Numbers of a cell or of a whole query (pinned, else the last), exact once the server has answered. */
    show(slice, state, cell) {
      const query = cell ? cell.query : state.query;
      this.slice = slice;
      this.wanted = { ...state, pinned: state.query, query: query ?? slice.T - 1, key: cell ? cell.key : null };
      this.tell(this.wanted, null);
      if (this.row && !slice.codec.exact) this.ask(this.wanted);
    }

    exact(wanted) {
      this.row(wanted.layer, wanted.head, wanted.query).then(
        (row) => this.wanted === wanted && this.tell(wanted, row),
        (error) => this.say(`The exact weights could not be read: ${error.message}`),
      );
    }

    say(text) {
      this.root.textContent = text;
    }

    /** row: the exact weights of the query; null: those of the slice, which are near. */
    tell(wanted, row) {
      const about = row !== null || this.slice.codec.exact ? "" : "≈ ", { query, key } = wanted;
      const value = (k) => (row ? row[k] : attention.weight(this.slice, query, k));
      this.root.replaceChildren(
        `Query ${query} `, el("b", { text: quoted(this.tokens.query[query] ?? "") }),
        ...(key === null ? this.whole(wanted) : this.cell(key, about, value(key))),
      );
      const top = attention.strongest(this.slice, query, STRONGEST);
      this.reads.replaceChildren(...top.map(([k]) => this.bar(k, value(k), about)));
    }

    whole({ query, pinned, view }) {
      const hint = view === "links"
        ? "click a query to pin it"
        : "point at a cell for one weight; a click ranks all heads by it, drag zooms";
      return [`${query === pinned ? " (pinned)" : ""} reads from: `, el("span", { class: "hs-muted", text: hint })];
    }

    cell(key, about, weight) {
      return [
        ` reads key ${key} `, el("b", { text: quoted(this.tokens.key[key] ?? "") }), " with weight ",
        el("b", { class: "hs-exact", "data-exact": String(about === ""), text: about + number(weight) }),
      ];
    }

    bar(k, weight, about) {
      const kind = `hs-read${weight < 0 ? " negative" : ""}`;
      return el("div", { class: kind, "--t": Math.abs(weight).toFixed(4) }, [
        el("span", { class: "hs-read-token", text: label(this.tokens.key[k] ?? "", 18) }),
        el("span", { class: "hs-muted", text: String(k) }), el("i", {}),
        el("span", { class: "hs-num", text: about + number(weight) }),
      ]);
    }
  }

  attention.Readout = Readout;
})();
