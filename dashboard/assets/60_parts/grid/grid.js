/* headscope.Grid: a heat map on one canvas with labels, an exact read-out, mouse and keyboard. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const { el, context, label, plural } = hs.dom;
  const FEW = 12, STEP = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

  /** Index of the value of largest size; 0 when none was measured. */
  const largest = (values) =>
    values.reduce((best, v, i) => (Math.abs(v) > (Math.abs(values[best]) || 0) ? i : best), 0);

  /** Labels of tokens short enough to stand on their heads. */
  const short = (texts) => texts.map((text) => label(text, 10));

  class Grid {
    /** view: {name, rows, columns, values (row by row), limit, signed, slanted, describe(row, column, value), tall}.
        pick(row, column) is called on click and Enter; without it cells are only read. */
    constructor(pick = null) {
      this.canvas = el("canvas", { class: "hs-grid-canvas", tabindex: "0", role: "img" });
      this.facts = el("div", { class: "hs-run-facts hs-grid-facts", role: "status" });
      this.root = el("div", { class: "hs-grid-map" }, [el("div", { class: "hs-grid-box" }, [this.canvas]), this.facts]);
      this.pick = pick;
      const here = (event) => this.at(event);
      this.canvas.addEventListener("mousemove", (event) => this.look(here(event)));
      this.canvas.addEventListener("mouseleave", () => this.look(null));
      this.canvas.addEventListener("blur", () => this.look(null));
      this.canvas.classList.toggle("hs-grid-only-read", !pick);
      this.canvas.addEventListener("click", (event) => {
        const cell = here(event);
        if (cell) this.choose(cell);
      });
      this.canvas.addEventListener("keydown", (event) => this.walk(event));
    }

    /** marks: {row, column}, either may be null. */
    draw(view, marks = {}) {
      this.view = view;
      this.marks = marks;
      const width = this.root.clientWidth || 640,
        { rows, columns } = view;
      this.measure(width);
      const c = context(
        this.canvas,
        this.left + columns.length * this.w + this.right,
        this.top + rows.length * this.h + 2,
      );
      c.imageSmoothingEnabled = false;
      c.drawImage(this.image(), this.left, this.top, columns.length * this.w, rows.length * this.h);
      this.gaps(c);
      this.labels(c);
      this.frame(c);
      this.open();
      this.canvas.setAttribute(
        "aria-label",
        `${view.name}: ${plural(rows.length, "row")} by ${plural(columns.length, "column")}. Arrow keys read `
          + `cells${this.pick ? ", Enter selects" : ""}.`,
      );
      this.look(null);
    }

    measure(width) {
      const { rows, columns, slanted } = this.view,
        c = this.canvas.getContext("2d");
      c.font = this.font();
      const widest = (names) => Math.ceil(Math.max(...names.map((name) => c.measureText(name).width)));
      this.left = widest(rows) + 10;
      this.top = slanted ? Math.min(78, Math.ceil(widest(columns) * 0.72) + 14) : 18;
      this.right = slanted ? Math.min(48, Math.ceil(widest(columns.slice(-3)) * 0.75)) : 2;
      this.w = Math.max(
        5,
        Math.min(this.view.tall ? 34 : 46, Math.floor((width - this.left - this.right) / columns.length)),
      );
      this.h = Math.max(9, Math.min(22, Math.floor((this.view.height || 420) / rows.length)));
    }

    font() {
      return hs.color.font(11);
    }

    /** One pixel per cell; what was not measured stays clear. */
    image() {
      const { rows, columns, values, limit, signed } = this.view,
        canvas = document.createElement("canvas"),
        table = hs.color.table(signed);
      canvas.width = columns.length;
      canvas.height = rows.length;
      const image = new ImageData(columns.length, rows.length),
        out = new Uint32Array(image.data.buffer),
        scale = limit > 0 ? 1 / limit : 0;
      for (let i = 0; i < out.length; i++) {
        const v = values[i];
        if (!Number.isNaN(v))
          out[i] = table.pixels[table.half + Math.round(Math.max(signed ? -1 : 0, Math.min(1, v * scale)) * 255)];
      }
      canvas.getContext("2d").putImageData(image, 0, 0);
      return canvas;
    }

    /** Lines between cells that are large enough, a stroke through every cell that was not measured. */
    gaps(c) {
      const { rows, columns, values } = this.view,
        right = this.left + columns.length * this.w,
        low = this.top + rows.length * this.h;
      c.fillStyle = hs.color.variable("--hs-surface");
      if (this.w >= FEW)
        for (let x = 0; x <= columns.length; x++) c.fillRect(this.left + x * this.w, this.top, 1, low - this.top);
      if (this.h >= FEW)
        for (let y = 0; y <= rows.length; y++) c.fillRect(this.left, this.top + y * this.h, right - this.left, 1);
      c.strokeStyle = hs.color.variable("--hs-line-strong");
      c.beginPath();
      for (let i = 0; i < values.length; i++) {
        if (!Number.isNaN(values[i])) continue;
        const [x, y] = [this.left + (i % columns.length) * this.w, this.top + Math.floor(i / columns.length) * this.h];
        c.moveTo(x + 2, y + this.h - 2);
        c.lineTo(x + this.w - 2, y + 2);
      }
      c.stroke();
    }

    labels(c) {
      const { rows, columns, slanted } = this.view,
        { row, column } = this.marks;
      const ink = (on) => {
        c.fillStyle = hs.color.variable(on ? "--hs-accent-strong" : "--hs-ink-3");
      };
      c.font = this.font();
      c.textBaseline = "middle";
      c.textAlign = "right";
      const everyRow = Math.ceil(12 / this.h),
        everyColumn = Math.ceil((slanted ? 17 : 24) / this.w);
      rows.forEach((name, y) => {
        const hidden = y !== row && Math.abs(y - (row ?? NaN)) < everyRow; // by the label of the marked row
        if (y === row || (!hidden && (y % everyRow === 0 || y === rows.length - 1))) {
          ink(y === row);
          c.fillText(name, this.left - 6, this.top + (y + 0.5) * this.h);
        }
      });
      c.textAlign = slanted ? "left" : "center";
      columns.forEach((name, x) => {
        if (x !== column && (x % everyColumn || Math.abs(x - (column ?? NaN)) < everyColumn)) return;
        ink(x === column);
        c.save();
        c.translate(this.left + (x + 0.5) * this.w, this.top - (slanted ? 5 : 8));
        if (slanted) c.rotate(-0.75);
        c.fillText(name, 0, 0);
        c.restore();
      });
    }

    frame(c) {
      const { row, column } = this.marks,
        { rows, columns } = this.view,
        has = (v, size) => v !== null && v !== undefined && v >= 0 && v < size;
      if (!has(row, rows.length) && !has(column, columns.length)) return;
      c.strokeStyle = hs.color.variable("--hs-accent");
      c.lineWidth = 2;
      const x = has(column, columns.length) ? [column, 1] : [0, columns.length],
        y = has(row, rows.length) ? [row, 1] : [0, rows.length];
      c.strokeRect(this.left + x[0] * this.w, this.top + y[0] * this.h, x[1] * this.w, y[1] * this.h);
    }

    at(event) {
      const column = Math.floor((event.offsetX - this.left) / this.w),
        row = Math.floor((event.offsetY - this.top) / this.h);
      return this.view && row >= 0 && column >= 0 && row < this.view.rows.length && column < this.view.columns.length
        ? [row, column]
        : null;
    }

    walk(event) {
      const by = STEP[event.key],
        { rows, columns } = this.view,
        cell = this.cell || [this.marks.row || 0, this.marks.column || 0];
      if (event.key === "Enter") return this.choose(cell);
      if (!by) return undefined;
      event.preventDefault();
      return this.look(
        [
          Math.max(0, Math.min(rows.length - 1, cell[0] + by[0])),
          Math.max(0, Math.min(columns.length - 1, cell[1] + by[1])),
        ],
        true,
      );
    }

    choose(cell) {
      if (this.pick) this.pick(...cell);
    }

    /** A map wider than its card opens at the chosen column, else at its largest value; from then on another choice
        alone moves it: the reader scrolls. */
    open() {
      const { column } = this.marks,
        chosen = Number.isInteger(column) && column >= 0 && column < this.view.columns.length;
      const at = chosen
        ? column
        : this.opened === undefined
          ? largest(this.view.values) % this.view.columns.length
          : this.opened;
      if (!this.canvas.parentElement.clientWidth || at === this.opened) return;
      this.opened = at;
      this.reveal(at);
    }

    /** Bring a column of a map wider than its card into sight. */
    reveal(column) {
      const box = this.canvas.parentElement,
        x = this.left + column * this.w;
      if (x < box.scrollLeft || x + this.w > box.scrollLeft + box.clientWidth) box.scrollLeft = x - box.clientWidth / 2;
    }

    look(cell, walked = false) {
      this.cell = cell;
      if (walked) this.reveal(cell[1]);
      const { view } = this;
      if (!cell) return this.facts.replaceChildren(el("span", { class: "hs-muted", text: view.hint }));
      const value = view.values[cell[0] * view.columns.length + cell[1]];
      return this.facts.replaceChildren(
        ...hs.dom.pairs(view.describe(cell[0], cell[1], Number.isNaN(value) ? null : value)),
      );
    }
  }

  hs.Grid = Object.assign(Grid, { largest, short });
})();
