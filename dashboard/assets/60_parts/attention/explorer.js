/* headscope.attention.mount: the attention explorer, shared by the Run, Live and Compare pages.

   mount(element, {
     tensors: {shape: [L, H, T, T], codec: "uint8-sqrt" | "int8-sqrt" | "float32", layer(l) -> Promise<typed [H, T, T]>,
               thumbnail() -> Promise<{side, levels: Float32Array [L, H, side, side]}>  (optional),
               row(layer, head, query) -> Promise<[T] exact weights>  (optional; float32 is exact already)},
     tokens: [string] or {query: [string], key: [string]},
     heads: {name: {label, unit, description, values: [L][H], null = not measured}}  (optional),
     state: {layer, head, view, query, key, stat, descending, cells, scale, sink, top}, onState(state), keys: true })
   A pinned cell (query and key) ranks and rings all heads by their weight there; tensors.cell(query, key) ->
   Promise<[L][H]> gives the exact ones (optional). scale "auto" is "fit" for long texts, else "fixed".
   returns {set(partial), state(), setTensors(tensors, tokens, heads), destroy()}.
   codec float32 and int8-sqrt are signed (a difference): diverging colours, blue below 0, orange above. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const attention = (hs.attention = hs.attention || {});
  const { el, plural, quoted, perFrame } = hs.dom;

  const DEFAULTS = {
    layer: 0,
    head: 0,
    view: "matrix",
    query: null,
    key: null,
    stat: "",
    descending: true,
    cells: "pattern",
    scale: "auto",
    sink: true,
    top: 3,
  };
  const LONG = 64, CELL = "cell";

  class Explorer {
    constructor(element, options) {
      this.element = element;
      this.onState = options.onState || (() => {});
      this.s = { ...DEFAULTS, ...options.state };
      this.stops = [hs.color.onTheme(() => this.draw())];
      this.element.classList.add("hs-attn");
      this.setTensors(options.tensors, options.tokens, options.heads || {});
      const resize = perFrame(() => this.draw());
      const observer = new ResizeObserver(() => {
        if (this.width !== element.clientWidth) {
          this.width = element.clientWidth;
          resize();
        }
      });
      observer.observe(element);
      this.stops.push(() => observer.disconnect());
      if (options.keys !== false) this.listen();
    }

    listen() {
      for (const [key, axis, by] of [["[", "layer", -1], ["]", "layer", 1], [",", "head", -1], [".", "head", 1]]) {
        this.stops.push(hs.keys.add(key, () => {
          if (!this.element.isConnected) return false;
          const size = axis === "layer" ? this.view.L : this.view.H;
          this.set({ [axis]: (this.s[axis] + by + size) % size });
          return true;
        }));
      }
    }

    /** Show other data in the same place, keeping layer, head and view where they still exist. */
    setTensors(tensors, tokens, heads) {
      const [L, H, T] = tensors.shape, codec = attention.codecs[tensors.codec];
      this.tensors = tensors;
      this.tokens = Array.isArray(tokens) ? { query: tokens, key: tokens } : tokens;
      this.measured = heads || {};
      this.view = { L, H, T, codec: tensors.codec, signed: codec.signed, heads: this.measured, maxHeight: 430 };
      if (!this.view.heads[this.s.stat]) this.s.stat = attention.worth(this.view.heads);
      this.s.layer = Math.min(this.s.layer, L - 1);
      this.s.head = Math.min(this.s.head, H - 1);
      if (this.s.query !== null && this.s.query >= T) this.s.query = null;
      if (this.s.query === null || this.s.key > this.s.query) this.s.key = null;
      this.ranking = "";
      this.thumbnail = this.data = null;
      this.build();
      this.rank();
      if (tensors.thumbnail)
        tensors.thumbnail().then((found) => this.setThumbnail(found, tensors), (error) => this.fail(error));
      this.draw();
    }

    setThumbnail(found, tensors) {
      if (this.tensors !== tensors) return;
      this.thumbnail = found;
      this.drawMosaic();
    }

    build() {
      const set = (change) => this.set(typeof change === "function" ? change(this.s) : change);
      const on = {
        hover: (cell) => this.hover(cell),
        zoom: (w) => {
          this.unzoom.hidden = !w;
          this.write();
        },
        pin: (query, key = null) =>
          this.set(this.s.query === query && this.s.key === key ? { query: null, key: null } : { query, key }),
      };
      this.controls = new attention.Controls(this.view, set);
      this.mosaic = new attention.Mosaic(this.view, (layer, head) => this.set({ layer, head }));
      this.matrix = new attention.Matrix(this.tokens, on);
      this.links = new attention.Links(this.tokens, on);
      this.table = this.newTable();
      this.readout = new attention.Readout(this.tokens, this.tensors.row);
      this.unzoom = el("button", {
        type: "button",
        class: "hs-unzoom",
        hidden: true,
        text: "Show all tokens",
        onclick: () => this.matrix.zoom(null),
      });
      this.mosaicNote = el("span", { class: "hs-muted" });
      this.showView(); // before there is data, too
      this.element.replaceChildren(...this.parts());
      this.element.dataset.shape = this.view.L > 1.7 * this.view.H ? "wide" : "square";
    }

    newTable() {
      return new attention.HeadTable(this.view.heads, {
        sort: (name) => this.sort(name),
        pick: (layer, head) => this.set({ layer, head }),
      });
    }

    /** Rank all heads by the pinned cell, or as before when there is none. */
    rank() {
      const { query, key } = this.s,
        wanted = key === null || query === null ? "" : `${query}.${key}`,
        { tensors } = this;
      if (wanted === this.ranking) return;
      this.ranking = wanted;
      if (!wanted) { this.rankBy(this.measured, this.before || attention.worth(this.measured)); return; }
      if (this.s.stat !== CELL) this.before = this.s.stat;
      this.everyHead(query, key).then((values) => {
        if (this.tensors !== tensors || this.ranking !== wanted) return;
        const about = `Weight of query ${query} ${quoted(this.tokens.query[query] ?? "")} on key ${key} `
          + `${quoted(this.tokens.key[key] ?? "")}`;
        this.rankBy(
          { [CELL]: { label: `${query}→${key}`, unit: "", description: about, values }, ...this.measured },
          CELL,
        );
      }, (error) => this.fail(error));
    }

    rankBy(heads, stat) {
      if (heads === this.view.heads) return;
      this.view.heads = heads;
      const table = this.newTable();
      if (this.table.root.isConnected) this.table.root.replaceWith(table.root);
      this.table = table;
      this.s = { ...this.s, stat, descending: true };
      this.draw();
    }

    /** The weight at one cell in every head, [L][H], null in a layer without attention. */
    async everyHead(query, key) {
      if (this.tensors.cell) return this.tensors.cell(query, key);
      const { L, H, T } = this.view, codec = attention.codecs[this.tensors.codec];
      const layers = await Promise.all(Array.from({ length: L }, (_, l) => this.tensors.layer(l)));
      return layers.map((data) => Array.from({ length: H }, (_, h) => codec.weight(data[(h * T + query) * T + key])));
    }

    scale() {
      if (this.s.scale !== "auto") return this.s.scale;
      return this.view.T > LONG && !this.view.signed ? "fit" : "fixed";
    }

    parts() {
      const measured = Object.keys(this.view.heads).length > 0, c = this.controls;
      return [
        el("section", { class: "hs-attn-overview", "aria-label": "All heads" }, [
          el("div", { class: "hs-attn-caption" }, [
            el("h3", { text: "All heads" }),
            measured ? c.cells.root : null,
            this.mosaicNote,
          ]),
          this.mosaic.root,
        ]),
        el("section", { class: "hs-attn-head", "aria-label": "One head" }, [
          c.toolbar(),
          el("div", { class: "hs-attn-stage" }, [this.matrix.root, this.links.root]),
          el("div", { class: "hs-attn-foot" }, [c.legend, c.note, this.unzoom]),
        ]),
        el("section", { class: "hs-attn-side", "aria-label": "Numbers" }, [
          this.readout.root,
          this.readout.reads,
          measured ? this.table.root : null,
        ]),
      ];
    }

    /** What a link needs: the ranking by a cell is in its query and key. */
    state() { return { ...this.s, stat: this.s.stat === CELL ? this.before : this.s.stat }; }

    set(change) {
      const before = this.s;
      this.s = { ...before, ...change };
      if (before.query !== this.s.query && !("key" in change)) this.s.key = null;
      const moved = before.layer !== this.s.layer || before.head !== this.s.head;
      this.draw(moved);
      this.rank();
      this.onState(this.state());
    }

    sort(name) {
      this.set(this.s.stat === name ? { descending: !this.s.descending } : { stat: name, descending: true });
    }

    /** Draw everything; a layer already in memory is drawn at once, without a promise in between. */
    draw(moved = false) {
      this.drawMosaic();
      if (Object.keys(this.view.heads).length) { this.table.draw(this.s); if (moved) this.table.reveal(); }
      if (this.data && this.data.layer === this.s.layer) { this.drawHead(); return; }
      const { layer } = this.s, tensors = this.tensors;
      this.element.setAttribute("aria-busy", "true");
      tensors.layer(layer).then((values) => {
        if (this.tensors !== tensors || this.s.layer !== layer) return;
        this.data = { layer, values };
        this.element.removeAttribute("aria-busy");
        this.drawHead();
        this.prefetch(layer);
      }, (error) => this.fail(error));
    }

    prefetch(layer) {
      for (const next of [layer + 1, layer - 1])
        if (next >= 0 && next < this.view.L) this.tensors.layer(next).catch(() => {});
    }

    fail(error) {
      this.element.removeAttribute("aria-busy");
      this.readout.say(`The attention could not be read: ${error.message}`);
      this.element.classList.add("failed");
    }

    drawMosaic() {
      this.mosaic.draw(this.s, this.thumbnail);
      const stat = this.view.heads[this.s.stat];
      const size = `${plural(this.view.L, "layer")} → × ${plural(this.view.H, "head")} ↓`;
      this.mosaicNote.textContent = stat ? `${size} · ${this.shown(stat)}` : size;
    }

    /** What the overview says of a statistic. */
    shown({ label, unit }) {
      if (this.s.cells === "value") return unit ? `${label}, ${unit}` : label;
      return `rings: ${this.s.descending ? "highest" : "lowest"} ${label.toLowerCase()}`;
    }

    showView() {
      const links = this.s.view === "links";
      this.matrix.root.hidden = links;
      this.links.root.hidden = !links;
      return links;
    }

    drawHead() {
      const links = this.showView(), codec = attention.codecs[this.tensors.codec];
      this.slice = attention.slice(this.data.values, this.s.head, this.view.T, codec, this.s.sink);
      const look = { ...this.s, scale: this.scale() };
      (links ? this.links : this.matrix).draw(this.slice, look);
      if (!links) this.write();
      this.controls.draw(look, this.slice);
      this.element.dataset.drawn = `${this.s.layer}.${this.s.head}`;
      this.hover(null);
    }

    /** Write the exact weights into the matrix where they fit. */
    write() {
      const { slice, matrix } = this, { layer, head } = this.s;
      if (!matrix.roomy()) return;
      if (slice.codec.exact) { matrix.write((q, k) => attention.weight(slice, q, k)); return; }
      if (!this.tensors.row) return;
      Promise.all(Array.from({ length: slice.T }, (_, q) => this.tensors.row(layer, head, q))).then((rows) => {
        if (this.slice === slice && this.s.view === "matrix") matrix.write((q, k) => rows[q][k]);
      }, () => {});
    }

    hover(cell) {
      this.readout.show(this.slice, this.s, cell);
    }

    destroy() {
      this.stops.forEach((stop) => stop());
      this.element.replaceChildren();
    }
  }

  attention.mount = (element, options) => {
    const explorer = new Explorer(element, options);
    return { set: (change) => explorer.set(change), state: () => explorer.state(), destroy: () => explorer.destroy(),
      setTensors: (tensors, tokens, heads) => explorer.setTensors(tensors, tokens, heads) };
  };
})();
