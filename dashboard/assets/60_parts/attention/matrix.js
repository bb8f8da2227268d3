/* headscope.attention.Matrix: one head, large. Rows are queries (the token that reads), columns are keys (read from).
   A base canvas holds cells and labels, an overlay the crosshair; dragging zooms, double click goes back. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const attention = (hs.attention = hs.attention || {});
  const { el, context, label } = hs.dom;
  const LINE = 12, LABELS = 104, MOST = 620, BIGGEST = 62, ROOMY = 34;

  class Matrix {
    /** tokens: {query: [string], key: [string]}; on.hover(query, key | null), on.pin(query, key). */
    constructor(tokens, on) {
      this.tokens = tokens;
      this.on = on;
      this.window = null;
      this.base = el("canvas", { class: "hs-attn-base", "aria-hidden": "true" });
      this.over = el("canvas", { class: "hs-attn-over", tabindex: "0", role: "img" });
      this.root = el("div", { class: "hs-attn-matrix" }, [this.base, this.over]);
      this.listen();
    }

    listen() {
      const over = this.over;
      over.addEventListener("mousemove", (event) => this.move(event));
      over.addEventListener("mouseleave", () => { this.cursor = null; this.drawOver(); this.on.hover(null); });
      over.addEventListener("mousedown", (event) => { this.start = this.at(event); });
      over.addEventListener("mouseup", (event) => this.release(event));
      over.addEventListener("dblclick", () => this.zoom(null));
      over.addEventListener("keydown", (event) => this.key(event));
      over.addEventListener("focus", () => this.drawOver());
      over.addEventListener("blur", () => this.drawOver());
    }

    measure() {
      const room = (this.root.parentElement || this.root).clientWidth || MOST;
      const T = this.slice.T, w = this.window || { q0: 0, k0: 0, n: T };
      this.view = w;
      this.side = Math.max(180, Math.min(MOST, room - LABELS - 8));
      this.step = this.side / w.n;
      if (this.step > BIGGEST) { this.step = BIGGEST; this.side = BIGGEST * w.n; }
    }

    draw(slice, state) {
      this.slice = slice;
      this.state = state;
      if (this.window && this.window.n > slice.T) this.window = null;
      this.measure();
      const size = LABELS + this.side + 2, c = context(this.base, size, size);
      this.root.style.width = this.root.style.height = `${size}px`;
      this.cells(c);
      this.axes(c);
      this.drawOver();
      this.over.setAttribute(
        "aria-label",
        `Attention of layer ${state.layer}, head ${state.head}: ${slice.T} queries by `
          + `${slice.T} keys. Arrow keys move, Enter pins the query, Escape lets go.`,
      );
    }

    /** Colour of a level under the current scale. */
    scaled(level) {
      const top = { head: this.slice.max, fit: this.slice.fit }[this.state.scale];
      return top > 0 ? level / top : level;
    }

    cells(c) {
      const { q0, k0, n } = this.view, ratio = window.devicePixelRatio || 1;
      const pixels = Math.min(n, Math.round(this.side * ratio));
      const image = this.raster(q0, k0, n, pixels), sheet = document.createElement("canvas");
      sheet.width = sheet.height = pixels;
      sheet.getContext("2d").putImageData(image, 0, 0);
      c.imageSmoothingEnabled = false;
      c.drawImage(sheet, LABELS, LABELS, this.side, this.side);
      c.strokeStyle = hs.color.variable("--hs-line");
      c.strokeRect(LABELS - 0.5, LABELS - 0.5, this.side + 1, this.side + 1);
    }

    /** n x n cells as pixels x pixels (max-pooled when there are more cells than pixels). */
    raster(q0, k0, n, pixels) {
      const { signed } = this.slice, table = hs.color.table(signed), image = new ImageData(pixels, pixels);
      const out = new Uint32Array(image.data.buffer), scale = n / pixels;
      const from = (i) => Math.floor(i * scale), to = (i) => Math.max(from(i) + 1, Math.floor((i + 1) * scale));
      for (let y = 0; y < pixels; y++) for (let x = 0; x < pixels; x++) {
        const v = this.strongest(q0 + from(y), q0 + to(y), k0 + from(x), k0 + to(x));
        if (Number.isNaN(v)) continue;
        out[y * pixels + x] = table.pixels[table.half + Math.round(Math.max(-1, Math.min(1, this.scaled(v))) * 255)];
      }
      return image;
    }

    /** The level of largest size among cells [q0, q1) x [k0, k1); NaN when none is visible. */
    strongest(q0, q1, k0, k1) {
      let best = NaN;
      for (let q = q0; q < q1; q++) for (let k = k0; k < k1; k++) {
        const v = attention.level(this.slice, q, k);
        if (!Number.isNaN(v) && !(Math.abs(v) <= Math.abs(best))) best = v;
      }
      return best;
    }

    font(bold) {
      return hs.color.font(11, bold ? "600" : "");
    }

    /** Whether a number fits into a cell. */
    roomy() { return this.step >= ROOMY; }

    /** Write value(query, key) into every visible cell. */
    write(value) {
      const c = this.base.getContext("2d"), { q0, k0, n } = this.view;
      c.font = hs.color.font(this.step > 44 ? 11.5 : 10);
      c.textAlign = "center"; c.textBaseline = "middle";
      for (let q = q0; q < q0 + n; q++) for (let k = k0; k < k0 + n; k++) {
        const level = attention.level(this.slice, q, k);
        if (Number.isNaN(level)) continue;
        c.fillStyle = hs.color.ink(this.scaled(level), this.slice.signed);
        c.fillText(
          hs.dom.trueMinus(value(q, k).toFixed(2)),
          LABELS + (k - k0 + 0.5) * this.step,
          LABELS + (q - q0 + 0.5) * this.step,
        );
      }
    }

    axes(c) {
      const every = Math.max(1, Math.ceil(LINE / this.step)), { q0, k0, n } = this.view;
      c.font = this.font(false);
      c.fillStyle = hs.color.variable("--bs-body-color");
      for (let i = 0; i < n; i++) {
        if ((q0 + i) % every === 0) this.rowLabel(c, q0 + i);
        if ((k0 + i) % every === 0) this.columnLabel(c, k0 + i);
      }
      c.fillStyle = hs.color.variable("--hs-ink-3");
      c.textAlign = "left"; c.textBaseline = "alphabetic";
      c.fillText("query ↓ reads", 2, LABELS - 20);
      c.fillText("from key →", 2, LABELS - 6);
    }

    name(tokens, i) {
      const text = label(tokens[i] ?? "", 13);
      return this.slice.T > 40 ? `${text} ${i}` : text;
    }

    rowLabel(c, q) {
      c.textAlign = "right"; c.textBaseline = "middle";
      c.fillText(
        this.name(this.tokens.query, q),
        LABELS - 6,
        LABELS + (q - this.view.q0 + 0.5) * this.step,
        LABELS - 8,
      );
    }

    columnLabel(c, k) {
      c.save();
      c.translate(LABELS + (k - this.view.k0 + 0.5) * this.step, LABELS - 6);
      c.rotate(-Math.PI / 2);
      c.textAlign = "left"; c.textBaseline = "middle";
      c.fillText(this.name(this.tokens.key, k), 0, 0, LABELS - 8);
      c.restore();
    }

    /** The cell in sight: hovered or under the keyboard cursor, else the pinned query. */
    drawOver() {
      if (!this.slice) return;
      const size = LABELS + this.side + 2, c = context(this.over, size, size);
      const pinned = this.state.query, seen = (q) => q !== null && q >= this.view.q0 && q < this.view.q0 + this.view.n;
      c.strokeStyle = hs.color.variable("--hs-accent");
      if (seen(pinned)) {
        c.lineWidth = 2;
        c.strokeRect(LABELS, LABELS + (pinned - this.view.q0) * this.step, this.side, this.step);
        this.badge(c, pinned, null);
      }
      if (this.drag) this.drawDrag(c);
      else if (this.cursor) this.crosshair(c, this.cursor);
    }

    crosshair(c, { query, key }) {
      const x = LABELS + (key - this.view.k0) * this.step, y = LABELS + (query - this.view.q0) * this.step;
      c.lineWidth = 1;
      c.globalAlpha = 0.45;
      c.strokeRect(LABELS, y, this.side, this.step);
      c.strokeRect(x, LABELS, this.step, this.side);
      c.globalAlpha = 1;
      c.lineWidth = 2;
      c.strokeRect(x, y, Math.max(this.step, 3), Math.max(this.step, 3));
      this.badge(c, query, key);
    }

    /** Labels of the cell in sight, on a solid ground so that they read when the axis shows only every nth. */
    badge(c, query, key) {
      c.font = this.font(true);
      const ground = (x, y, w, h) => {
        c.fillStyle = hs.color.variable("--hs-accent");
        c.fillRect(x, y, w, h);
        c.fillStyle = hs.color.variable("--hs-on-accent");
      };
      ground(0, LABELS + (query - this.view.q0 + 0.5) * this.step - 8, LABELS - 2, 16);
      this.rowLabel(c, query);
      if (key === null) return;
      ground(LABELS + (key - this.view.k0 + 0.5) * this.step - 8, 0, 16, LABELS - 2);
      this.columnLabel(c, key);
    }

    drawDrag(c) {
      const { from, to } = this.drag, n = Math.max(Math.abs(to.query - from.query), Math.abs(to.key - from.key)) + 1;
      c.lineWidth = 1.5;
      c.setLineDash([4, 3]);
      c.strokeRect(LABELS + (Math.min(from.key, to.key) - this.view.k0) * this.step,
        LABELS + (Math.min(from.query, to.query) - this.view.q0) * this.step, n * this.step, n * this.step);
      c.setLineDash([]);
    }

    at(event) {
      const key = Math.floor((event.offsetX - LABELS) / this.step) + this.view.k0;
      const query = Math.floor((event.offsetY - LABELS) / this.step) + this.view.q0;
      const inside = (i, from) => i >= from && i < from + this.view.n;
      if (!inside(query, this.view.q0)) return null;
      return inside(key, this.view.k0) ? { query, key } : event.offsetX < LABELS ? { query, key: null } : null;
    }

    move(event) {
      const cell = this.at(event);
      this.drag = this.start && event.buttons === 1 && cell && cell.key !== null && this.start.key !== null
        && (Math.abs(cell.query - this.start.query) > 2 || Math.abs(cell.key - this.start.key) > 2)
        ? { from: this.start, to: cell } : null;
      this.sight(cell && cell.key !== null && cell.key <= cell.query ? cell : null);
    }

    sight(cell) {
      this.cursor = cell;
      this.drawOver();
      this.on.hover(cell);
    }

    release(event) {
      const cell = this.at(event), drag = this.drag;
      this.start = this.drag = null;
      if (drag) {
        const n = Math.max(Math.abs(drag.to.query - drag.from.query), Math.abs(drag.to.key - drag.from.key)) + 1;
        this.zoom({ q0: Math.min(drag.from.query, drag.to.query), k0: Math.min(drag.from.key, drag.to.key), n });
      } else if (cell) this.on.pin(cell.query, cell.key !== null && cell.key <= cell.query ? cell.key : null);
    }

    /** Show n queries and keys from (q0, k0), or everything. */
    zoom(window_) {
      const T = this.slice.T;
      this.window = window_ && window_.n < T
        ? { n: window_.n, q0: Math.min(window_.q0, T - window_.n), k0: Math.min(window_.k0, T - window_.n) } : null;
      this.draw(this.slice, this.state);
      this.on.zoom(this.window);
    }

    key(event) {
      const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] },
        step = moves[event.key];
      if (step) {
        event.preventDefault();
        const T = this.slice.T, from = this.cursor || { query: this.state.query ?? T - 1, key: 0 };
        const query = Math.max(0, Math.min(T - 1, from.query + step[0]));
        this.sight({ query, key: Math.max(0, Math.min(query, from.key + step[1])) });
      } else if (event.key === "Enter" && this.cursor) this.on.pin(this.cursor.query, this.cursor.key);
      else if (event.key === "Escape") {
        if (this.window) this.zoom(null);
        else if (this.state.query !== null) this.on.pin(this.state.query, this.state.key);
      }
    }
  }

  attention.Matrix = Matrix;
})();
