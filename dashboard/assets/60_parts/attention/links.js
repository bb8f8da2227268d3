/* headscope.attention.Links: tokens twice, queries left, keys right, a line for each query's k strongest keys.
   Hovering or pinning a query shows all that it reads; hovering a key shows who reads it. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const attention = (hs.attention = hs.attention || {});
  const { el, svg, label } = hs.dom;
  const ROW = 20, LEFT = 150, RIGHT = 330, WIDTH = 480, FAINT = 0.002, MANY = 40;

  class Links {
    constructor(tokens, on) {
      this.tokens = tokens;
      this.on = on;
      this.focus = null;
      this.lines = svg("g", { class: "hs-links-lines", "aria-hidden": "true" });
      this.names = svg("g", {});
      this.svg = svg("svg", { class: "hs-links-svg", role: "group", width: WIDTH }, [this.lines, this.names]);
      this.head = el("div", { class: "hs-links-head" }, [
        el("span", { text: "query (reads)" }),
        el("span", { text: "→" }),
        el("span", { text: "key (read from)" }),
      ]);
      this.root = el("div", { class: "hs-links" }, [this.head, el("div", { class: "hs-links-scroll" }, [this.svg])]);
      this.svg.addEventListener("mouseleave", () => this.look(null));
    }

    draw(slice, state) {
      const fresh = !this.slice || this.slice.T !== slice.T;
      this.slice = slice;
      this.state = state;
      if (fresh) this.column();
      if (fresh || state.query !== this.shown) this.reveal(state.query);
      this.svg.setAttribute(
        "aria-label",
        `Links of layer ${state.layer}, head ${state.head}, ${state.top} strongest keys per query`,
      );
      this.redraw();
    }

    /** Bring the pinned query into sight, inside the list only. */
    reveal(query) {
      this.shown = query;
      const box = this.svg.parentElement, y = query * ROW;
      if (query !== null && (y < box.scrollTop || y + ROW > box.scrollTop + box.clientHeight))
        box.scrollTop = y - box.clientHeight / 2;
    }

    column() {
      const T = this.slice.T;
      this.svg.setAttribute("height", T * ROW + 8);
      this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${T * ROW + 8}`);
      this.rows = [];
      for (let i = 0; i < T; i++) this.rows.push([this.token("query", i), this.token("key", i)]);
      this.names.replaceChildren(...this.rows.flat());
    }

    /** With its position where there are many to tell apart. */
    name(side, i) {
      return this.slice.T > MANY
        ? `${label(this.tokens[side][i] ?? "", 13)} ${i}`
        : label(this.tokens[side][i] ?? "", 16);
    }

    token(side, i) {
      const query = side === "query", x = query ? LEFT - 6 : RIGHT + 6, y = i * ROW + ROW / 2 + 4;
      const text = svg("text", {
        x,
        y,
        "text-anchor": query ? "end" : "start",
        "dominant-baseline": "middle",
        text: this.name(side, i),
      });
      const box = svg("rect", { x: query ? 2 : RIGHT + 2, y: y - ROW / 2, width: LEFT - 4, height: ROW - 1, rx: 3 });
      const group = svg(
        "g",
        {
          class: "hs-links-token",
          "data-side": side,
          "data-index": i,
          tabindex: query ? "0" : null,
          role: query ? "button" : null,
        },
        [box, text],
      );
      group.addEventListener("mouseenter", () => this.look({ side, i }));
      group.addEventListener("focus", () => this.look({ side, i }));
      group.addEventListener("click", () => query && this.on.pin(i));
      group.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && query) this.on.pin(i);
        if (event.key === "Escape" && this.state.query !== null) this.on.pin(this.state.query);
        const next = { ArrowDown: i + 1, ArrowUp: i - 1 }[event.key];
        if (next !== undefined && this.rows[next]) { event.preventDefault(); this.rows[next][0].focus(); }
      });
      return group;
    }

    look(focus) {
      this.focus = focus;
      this.redraw();
      this.on.hover(focus && focus.side === "query" ? { query: focus.i, key: null } : null);
    }

    /** [query, key, weight] to draw strongly, and the rest faintly. */
    edges() {
      const s = this.slice,
        focus = this.focus || (this.state.query !== null ? { side: "query", i: this.state.query } : null);
      const faint = [], strong = [];
      for (let q = 0; q < s.T; q++) {
        for (const [k, w] of attention.strongest(s, q, this.state.top)) {
          if (Math.abs(w) > FAINT) faint.push([q, k, w]);
        }
      }
      if (!focus) return { faint: [], strong: faint, focus };
      if (focus.side === "query") {
        for (let k = s.sink ? 0 : 1; k <= focus.i; k++) strong.push([focus.i, k, attention.weight(s, focus.i, k)]);
      } else if (s.sink || focus.i > 0) {
        for (let q = focus.i; q < s.T; q++) strong.push([q, focus.i, attention.weight(s, q, focus.i)]);
      }
      return { faint, strong: strong.filter((edge) => Math.abs(edge[2]) > FAINT), focus };
    }

    redraw() {
      if (!this.slice) return;
      const { faint, strong, focus } = this.edges();
      const crowd = focus ? 1 : Math.min(1, Math.sqrt(32 / this.slice.T));  // many lines at once are drawn lighter
      this.lines.replaceChildren(
        ...faint.map((edge) => this.line(edge, 0.12)),
        ...strong.map((edge) => this.line(edge, crowd)),
      );
      const tint = { query: new Map(), key: new Map() };
      if (focus)
        for (const [q, k, w] of strong)
          tint[focus.side === "query" ? "key" : "query"].set(focus.side === "query" ? k : q, w);
      this.rows.forEach((pair, i) =>
        pair.forEach((group, side) => this.mark(group, i, side ? "key" : "query", tint, focus)),
      );
    }

    mark(group, i, side, tint, focus) {
      const w = tint[side].get(i), on = focus && focus.side === side && focus.i === i;
      group.classList.toggle("on", Boolean(on));
      group.classList.toggle("pinned", side === "query" && this.state.query === i);
      if (side === "query") group.setAttribute("aria-pressed", String(this.state.query === i));
      group.style.setProperty("--t", w === undefined ? 0 : Math.sqrt(Math.abs(w)).toFixed(3));
      group.classList.toggle("negative", w !== undefined && w < 0);
    }

    line([q, k, w], strength) {
      const y1 = q * ROW + ROW / 2 + 4,
        y2 = k * ROW + ROW / 2 + 4,
        size = Math.sqrt(Math.abs(w)),
        mid = (LEFT + RIGHT) / 2;
      const width = (0.6 + 3.4 * size) * (0.4 + 0.6 * strength);
      return svg("path", {
        d: `M${LEFT} ${y1}C${mid} ${y1} ${mid} ${y2} ${RIGHT} ${y2}`, class: w < 0 ? "negative" : "positive",
        "stroke-width": width.toFixed(2), "stroke-opacity": (strength * (0.1 + 0.85 * size)).toFixed(3),
      });
    }
  }

  attention.Links = Links;
})();
