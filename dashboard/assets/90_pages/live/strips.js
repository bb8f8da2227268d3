/* headscope.live.Strips: one column per token, one row per measure: surprisal against expectation, then
   attributions. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const live = (hs.live = hs.live || {});
  const { el, svg, label, quoted, number } = hs.dom;
  const ROW = 62, GAP = 14, LEFT = 168, NAMES = 62, LEAST = 26, MOST = 88;

  class Strips {
    constructor(box, page) {
      this.page = page;
      this.picture = el("div", { class: "hs-live-strips-scroll" });
      this.readout = el("p", { class: "hs-live-readout", role: "status" });
      box.replaceChildren(this.picture, this.readout);
      this.picture.addEventListener("mousemove", (event) => this.point(this.column(event)));
      this.picture.addEventListener("mouseleave", () => this.point(NaN));
      this.picture.addEventListener("click", (event) => {
        const i = this.column(event);
        if (!Number.isNaN(i)) page.explain(i);
      });
      new ResizeObserver(() => {
        if (this.result && this.picture.clientWidth !== this.width) this.draw(this.result);
      }).observe(this.picture);
    }

    rows() {
      const { facts, arrays, explained } = this.result, unit = this.page.state.unit;
      const unitOf = (values, sign) => Array.from(values, (v) => live.inUnit(sign * v, unit));
      const rows = [
        {
          name: "Surprisal",
          unit,
          values: unitOf(arrays.logprobs, -1),
          marks: unitOf(arrays.entropies, 1),
          note: "– expected (entropy)",
        },
      ];
      const waits = explained.pending && explained.done === 0 && (explained.asked ? "computing …" : "not computed yet");
      rows.push({
        name: explained.label,
        unit,
        signed: true,
        error: explained.error || waits,
        values: unitOf(explained.scores, 1),
        note:
          facts.target.foil_text === null
            ? `of ${quoted(facts.target.text, 13)}`
            : `of ${quoted(facts.target.text, 10)} over ${quoted(facts.target.foil_text, 10)}`,
      });
      return rows;
    }

    draw(result) {
      this.result = result;
      const T = result.facts.tokens.length;
      this.width = this.picture.clientWidth;
      this.step = Math.max(LEAST, Math.min(MOST, (this.width - LEFT - 8) / T));
      this.data = this.rows();
      const width = LEFT + T * this.step + 8, height = this.data.length * (ROW + GAP) + NAMES;
      this.cursor = svg("rect", {
        class: "cursor",
        width: this.step,
        height: height - NAMES + 4,
        y: 0,
        visibility: "hidden",
      });
      const parts = [
        this.explained(height),
        this.cursor,
        ...this.data.flatMap((row, r) => this.row(row, r * (ROW + GAP) + 4, width)),
        ...this.names(height - NAMES + 12),
      ];
      this.picture.replaceChildren(
        svg("svg", { width, height, role: "img", "aria-label": "Surprisal and attributions, token by token" }, parts),
      );
      this.point(NaN);
      this.show(result.facts.position);
    }

    /** Bring another explained token into sight, once: then the reader scrolls. */
    show(position) {
      if (position === this.shown) return;
      this.shown = position;
      const box = this.picture, x = position === null ? null : this.x(position);
      if (x !== null && (x < box.scrollLeft || x + this.step > box.scrollLeft + box.clientWidth))
        box.scrollLeft = x - box.clientWidth / 2;
    }

    x(i) { return LEFT + i * this.step; }

    explained(height) {
      const { position } = this.result.facts;
      return position === null
        ? null
        : svg("rect", { class: "explained", x: this.x(position), y: 0, width: this.step, height: height - NAMES + 4 });
    }

    row(row, y, width) {
      const known = [...row.values, ...(row.marks || [])].filter((v) => !Number.isNaN(v)),
        top = Math.max(...known.map(Math.abs), 1e-12);
      const zero = row.signed ? y + ROW / 2 : y + ROW, scale = (row.signed ? ROW / 2 : ROW) / top;
      const title = [
        svg("text", { x: 0, y: y + 13, class: "name", text: row.name }),
        svg("text", { x: 0, y: y + 29, class: "note", text: row.note }),
      ];
      const axis = svg("line", { x1: LEFT, x2: width - 8, y1: zero, y2: zero, class: "axis" });
      if (row.error)
        return [...title, axis, svg("text", { x: LEFT + 8, y: y + ROW / 2 - 6, class: "note", text: row.error })];
      const ends = svg("text", {
        x: LEFT - 8,
        y: y + 9,
        "text-anchor": "end",
        class: "tick",
        text: `${number(top, 2)}${row.unit ? ` ${row.unit}` : ""}`,
      });
      const low = row.signed
        ? svg("text", { x: LEFT - 8, y: y + ROW, "text-anchor": "end", class: "tick", text: `−${number(top, 2)}` })
        : null;
      return [
        ...title,
        ends,
        low,
        axis,
        ...row.values.map((v, i) => this.bar(v, i, zero, scale, row)),
        ...(row.marks || []).map((v, i) => this.mark(v, i, zero, scale)),
      ];
    }

    bar(v, i, zero, scale, row) {
      const inset = Math.min(6, this.step * 0.14), x = this.x(i) + inset, width = this.step - 2 * inset;
      if (Number.isNaN(v))
        return svg("line", {
          class: "unmeasured",
          x1: x + width / 2 - 3,
          x2: x + width / 2 + 3,
          y1: zero - 3,
          y2: zero - 3,
        });
      const size = Math.max(Math.abs(v) * scale, v === 0 ? 0 : 0.75);
      return svg("rect", {
        class: row.signed ? (v < 0 ? "negative" : "positive") : "plain",
        x,
        y: v < 0 ? zero : zero - size,
        width,
        height: size,
        rx: Math.min(2, size / 2),
      });
    }

    mark(v, i, zero, scale) {
      if (Number.isNaN(v)) return null;
      const y = zero - v * scale, inset = this.step * 0.1;
      return svg("line", { class: "mark", x1: this.x(i) + inset, x2: this.x(i) + this.step - inset, y1: y, y2: y });
    }

    names(y) {
      return this.result.facts.tokens.map((text, i) => svg("text", { class: "token", "text-anchor": "end",
        transform: `translate(${this.x(i) + this.step / 2 + 3} ${y}) rotate(-40)`, text: label(text, 11) }));
    }

    column(event) {
      const node = this.picture.firstChild;
      if (!node) return NaN;
      const i = Math.floor((event.clientX - node.getBoundingClientRect().left - LEFT) / this.step);
      return i >= 0 && i < this.result.facts.tokens.length ? i : NaN;
    }

    /** Exact numbers of a token; also called for the chip under the pointer. */
    point(i) {
      if (!this.result) return;
      const shown = Number.isInteger(i);
      this.cursor.setAttribute("visibility", shown ? "visible" : "hidden");
      if (!shown) { this.readout.textContent = "Point at a token for its numbers; click it to explain it."; return; }
      this.cursor.setAttribute("x", this.x(i));
      const [first, ...others] = this.data, rank = this.result.arrays.ranks[i];
      const parts = [
        `surprisal ${number(first.values[i])} ${first.unit}`,
        `expected ${number(first.marks[i])} ${first.unit}`,
        rank > 0 ? `rank ${rank.toLocaleString("en")}` : "no rank",
        ...others.filter((row) => !row.error).map((row) => `${row.name.toLowerCase()} ${number(row.values[i])}`),
      ];
      this.readout.replaceChildren(
        `Token ${i} `,
        el("b", { text: quoted(this.result.facts.tokens[i]) }),
        `: ${parts.join(" · ")}`,
      );
    }
  }

  live.Strips = Strips;
})();
