/* headscope.attention.Mosaic: every head at a glance. Layers run left to right, heads top to bottom.
   Cells show the pattern (max-pooled) or one statistic; the first heads by the sorted statistic wear a numbered
   ring. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const attention = (hs.attention = hs.attention || {});
  const { el, context, number } = hs.dom;
  const LEFT = 26, TOP = 18, GAP = 2, RINGS = 8;

  class Mosaic {
    /** view: {L, H, heads, codec}; pick(layer, head) is called on click. */
    constructor(view, pick) {
      this.view = view;
      this.canvas = el("canvas", { class: "hs-attn-mosaic-canvas", role: "img" });
      this.tip = el("div", { class: "hs-tip", hidden: true, role: "presentation" });
      this.root = el("div", { class: "hs-attn-mosaic-box" }, [this.canvas, this.tip]);
      this.canvas.addEventListener("click", (event) => {
        const cell = this.at(event);
        if (cell) pick(cell.layer, cell.head);
      });
      this.canvas.addEventListener("mousemove", (event) => this.hover(event));
      this.canvas.addEventListener("mouseleave", () => { this.tip.hidden = true; });
    }

    /** Cell size that fills the width, within reason. */
    measure(width) {
      const { L, H } = this.view;
      const fit = Math.floor((width - LEFT - 2) / L) - GAP;
      const tall = Math.floor((this.view.maxHeight || 420) / H) - GAP;
      this.cell = Math.max(8, Math.min(fit, tall, 44));
      return { width: LEFT + L * (this.cell + GAP) + 2, height: TOP + H * (this.cell + GAP) + 2 };
    }

    origin(l, h) {
      return [LEFT + l * (this.cell + GAP), TOP + h * (this.cell + GAP)];
    }

    at(event) {
      const x = event.offsetX - LEFT, y = event.offsetY - TOP, step = this.cell + GAP;
      const layer = Math.floor(x / step), head = Math.floor(y / step);
      return layer >= 0 && head >= 0 && layer < this.view.L && head < this.view.H ? { layer, head } : null;
    }

    draw(state, thumbnail) {
      const size = this.measure(this.root.parentElement ? this.root.parentElement.clientWidth : 800);
      const c = context(this.canvas, size.width, size.height);
      this.labels(c, state);
      if (state.cells === "value" && this.view.heads[state.stat]) this.values(c, state.stat);
      else if (thumbnail) this.patterns(c, thumbnail);
      if (state.cells !== "value") this.rings(c, state);
      this.selected(c, state);
      this.canvas.setAttribute(
        "aria-label",
        `All heads: ${hs.dom.plural(this.view.L, "layer")} by ${hs.dom.plural(this.view.H, "head")}. Selected: layer `
          + `${state.layer}, head ${state.head}.`,
      );
    }

    labels(c, state) {
      const { L, H } = this.view,
        every = Math.max(1, Math.ceil(16 / (this.cell + GAP)));
      c.font = hs.color.font(10);
      c.textBaseline = "middle";
      const text = (s, x, y, on) => {
        c.fillStyle = hs.color.variable(on ? "--hs-accent" : "--hs-ink-3");
        c.fillText(s, x, y);
      };
      // none runs into the chosen one's
      const told = (i, chosen) => i === chosen || (i % every === 0 && Math.abs(i - chosen) >= every);
      c.textAlign = "center";
      for (let l = 0; l < L; l++) {
        if (told(l, state.layer)) text(String(l), this.origin(l, 0)[0] + this.cell / 2, 8, l === state.layer);
      }
      c.textAlign = "right";
      for (let h = 0; h < H; h++) {
        if (told(h, state.head)) text(String(h), LEFT - 5, this.origin(0, h)[1] + this.cell / 2, h === state.head);
      }
    }

    /** All thumbnails side by side on one off-screen canvas; rebuilt only for new data or another theme. */
    sheet({ side, levels }) {
      const { L, H } = this.view, signed = attention.codecs[this.view.codec].signed, table = hs.color.table(signed);
      if (this.kept && this.kept.levels === levels && this.kept.table === table) return this.kept.canvas;
      const canvas = document.createElement("canvas");
      canvas.width = L * side; canvas.height = H * side;
      const image = new ImageData(canvas.width, canvas.height), out = new Uint32Array(image.data.buffer);
      const scale = signed ? 1 / Math.max(levels.reduce((m, v) => Math.max(m, Math.abs(v)), 0), 1e-9) : 1;
      for (let l = 0; l < L; l++) for (let h = 0; h < H; h++) for (let y = 0; y < side; y++) {
        const from = ((l * H + h) * side + y) * side, to = (h * side + y) * canvas.width + l * side;
        for (let x = 0; x < side; x++) {
          out[to + x] =
            table.pixels[table.half + Math.round(Math.max(-1, Math.min(1, levels[from + x] * scale)) * 255)];
        }
      }
      canvas.getContext("2d").putImageData(image, 0, 0);
      this.kept = { levels, table, canvas };
      return canvas;
    }

    patterns(c, thumbnail) {
      const { L, H } = this.view, { side } = thumbnail, sheet = this.sheet(thumbnail);
      c.imageSmoothingEnabled = side > this.cell * (window.devicePixelRatio || 1);
      for (let l = 0; l < L; l++) for (let h = 0; h < H; h++) {
        const [x, y] = this.origin(l, h);
        c.drawImage(sheet, l * side, h * side, side, side, x, y, this.cell, this.cell);
      }
    }

    values(c, stat) {
      const { L, H, heads } = this.view, { values, low, high, signed } = attention.range(heads[stat]);
      c.font = hs.color.font(Math.min(11, Math.floor(this.cell / 2.9)));
      c.textAlign = "center";
      for (let l = 0; l < L; l++) for (let h = 0; h < H; h++) {
        const [x, y] = this.origin(l, h), v = values[l][h];
        if (v === null) { this.unmeasured(c, x, y); continue; }
        const t = signed
          ? v / Math.max(Math.abs(low), Math.abs(high), 1e-9)
          : (v - Math.min(low, 0)) / Math.max(high - Math.min(low, 0), 1e-9);
        c.fillStyle = hs.color.css(t, signed);
        c.fillRect(x, y, this.cell, this.cell);
        if (this.cell < 26) continue;
        c.fillStyle = hs.color.ink(t, signed);
        c.fillText(
          hs.dom.trueMinus(v.toFixed(Math.abs(v) >= 100 ? 0 : Math.abs(v) >= 10 ? 1 : 2)),
          x + this.cell / 2,
          y + this.cell / 2,
        );
      }
    }

    unmeasured(c, x, y) {
      c.strokeStyle = hs.color.variable("--hs-ink-3");
      c.globalAlpha = 0.5;
      c.beginPath();
      c.moveTo(x + 3, y + this.cell - 3); c.lineTo(x + this.cell - 3, y + 3);
      c.stroke();
      c.globalAlpha = 1;
    }

    rings(c, state) {
      if (!this.view.heads[state.stat]) return;
      attention.ranked(this.view.heads[state.stat], state.descending).slice(0, RINGS).forEach(({ layer, head }, i) => {
        const [x, y] = this.origin(layer, head);
        c.strokeStyle = hs.color.variable("--hs-warn");
        c.lineWidth = 1.5;
        c.strokeRect(x + 0.5, y + 0.5, this.cell - 1, this.cell - 1);
        if (this.cell < 20) return;
        c.fillStyle = hs.color.variable("--hs-warn");
        c.fillRect(x + this.cell - 11, y, 11, 11);
        c.fillStyle = hs.color.variable("--hs-surface");
        c.font = "bold 9px sans-serif";
        c.textAlign = "center";
        c.fillText(String(i + 1), x + this.cell - 5.5, y + 6);
      });
    }

    selected(c, { layer, head }) {
      const [x, y] = this.origin(layer, head);
      c.strokeStyle = hs.color.variable("--hs-accent");
      c.lineWidth = 2.5;
      c.strokeRect(x - 1.25, y - 1.25, this.cell + 2.5, this.cell + 2.5);
    }

    hover(event) {
      const cell = this.at(event);
      this.canvas.style.cursor = cell ? "pointer" : "default";
      this.tip.hidden = !cell;
      if (!cell) return;
      const rows = Object.values(this.view.heads).map((stat) => [
        stat.label,
        stat.values[cell.layer][cell.head],
        stat.unit,
      ]);
      this.tip.replaceChildren(
        el("strong", { text: `Layer ${cell.layer} · head ${cell.head}` }),
        el(
          "dl",
          {},
          rows.flatMap(([name, value, unit]) => [
            el("dt", { text: name }),
            el("dd", { text: `${number(value, 3)}${unit ? ` ${unit}` : ""}` }),
          ]),
        ),
      );
      const right = event.offsetX > this.canvas.clientWidth / 2;
      this.tip.style.left = right ? "" : `${event.offsetX + 16}px`;
      this.tip.style.right = right ? `${this.root.clientWidth - event.offsetX + 16}px` : "";
      this.tip.style.top = `${Math.min(event.offsetY + 12, this.canvas.clientHeight - 40)}px`;
    }
  }

  attention.Mosaic = Mosaic;
})();
