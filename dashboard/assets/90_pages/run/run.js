/* headscope.run: binds a run's view model to the page. State lives here and in the URL; nothing asks the server to
   redraw. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const { $ } = hs.dom;
  /* what each state key redraws */
  const PARTS = {
    color: ["tokens"],
    grain: ["tokens", "attributions", "sources"],
    marks: ["tokens"],
    lens: ["lens"],
    shares: ["attributions"],
    numbers: ["attributions"],
    methods: ["attributions"],
    gen: ["attributions", "sources", "flow", "components", "looks"],
    source: ["sources"],
    flow: ["flow"],
    components: ["components"],
    heads: ["looks"],
    looks: ["looks"],
    ablation: ["looks"],
  };
  const MAPS = { flow: "Flow", components: "Components", looks: "Looks", sources: "Sources" };
  const LINK_MS = 120;
  let page = null;

  class Page {
    constructor(view) {
      this.view = view;
      this.state = { ...view.state };
      hs.title("/run", view.title || (view.tokens ? view.tokens.tokens.map((t) => t.text).join("") : ""));
      this.stops = [];
      this.link = hs.dom.debounced(() => this.alive() && hs.url.replace("/run", this.query()), LINK_MS);
      this.parts = {};
      const slot = (name) => [$(`run-${name}-slot`), $(`run-${name}-controls`)];
      if (view.tokens) {
        this.parts.tokens = new run.Tokens(this, ...slot("tokens"));
        this.parts.candidates = new run.Candidates(this, $("run-candidates-slot"));
      }
      if (view.lens) this.parts.lens = new run.Lens(this, ...slot("lens"));
      if (view.attributions.length && view.tokens)
        this.parts.attributions = new run.Attributions(this, ...slot("attributions"));
      for (const [name, kind] of Object.entries(MAPS))
        if ($(`run-${name}-slot`)) this.parts[name] = new run[kind](this, ...slot(name));
      if (view.attention) this.attention();
      this.stops.push(hs.color.onTheme(() => this.draw()));
      for (const [key, href] of [
        ["j", view.next],
        ["k", view.previous],
      ]) {
        this.stops.push(hs.keys.add(key, () => href && this.alive() && (hs.url.push(href), true)));
      }
      this.stops.push(hs.keys.add("c", () => this.alive() && (hs.url.push(view.compare), true)));
      this.watchPlots();
      this.outlets();
      this.draw();
    }

    alive() {
      return !this.stopped && Boolean($("run-root"));
    }

    /** The position whose candidates are shown: 1 to T, T is the next token. */
    position() {
      const T = this.view.tokens ? this.view.tokens.tokens.length : 0;
      return this.state.pos === null ? T : this.state.pos;
    }

    draw() {
      Object.values(this.parts).forEach((part) => part.draw());
    }

    set(change) {
      Object.assign(this.state, change);
      if ("pos" in change) this.draw();
      else
        for (const name of new Set(Object.keys(change).flatMap((key) => PARTS[key] || [])))
          if (this.parts[name]) this.parts[name].draw();
      if ("layer" in change && this.explorer && this.explorer.state().layer !== change.layer)
        this.explorer.set({ layer: change.layer });
      this.link();
    }

    /** A head chosen in a grid, shown where its attention is. */
    head(layer, head) {
      this.set({ layer, head });
      if (this.explorer) this.explorer.set({ layer, head });
      this.markHead();
    }

    /** The arrays of the run's attributions by name, fetched once. */
    arrays() {
      return (this.fetched = this.fetched || hs.tensors.load(this.view.arrays).then((found) => found.tensors));
    }

    attention() {
      const { url, shape } = this.view.attention,
        { heads } = this.view,
        s = this.state;
      const tokens = this.view.tokens.tokens.map((t) => t.text);
      this.explorer = hs.attention.mount($("run-attention-slot"), {
        tensors: hs.attention.source(url, shape),
        tokens,
        heads,
        state: {
          layer: s.layer,
          head: s.head,
          view: s.view,
          query: s.query,
          key: s.key,
          stat: s.stat,
          descending: s.order === "desc",
          cells: s.cells,
          scale: s.scale,
          sink: s.sink,
          top: s.top,
        },
        onState: ({ descending, ...rest }) => {
          Object.assign(this.state, rest, { order: descending ? "desc" : "asc" });
          this.link();
          this.markLayer();
          this.markHead();
        },
      });
    }

    /** The layer on view, marked in the lens table without building it again. */
    markLayer() {
      document
        .querySelectorAll("#run-lens-slot tbody tr")
        .forEach((row, l) => row.classList.toggle("on", l === this.state.layer));
    }

    /** The head on view, framed in the grids of heads. */
    markHead() {
      for (const name of ["components", "looks"]) if (this.parts[name]) this.parts[name].draw();
    }

    /** The query string: what differs from the defaults, in a fixed order. */
    query() {
      const { id, defaults } = this.view,
        keys = ["id", ...Object.keys(defaults)];
      const state = { ...this.state, id };
      return `?${hs.url.query(Object.fromEntries(keys.map((key) => [key, state[key]])), defaults)}`;
    }

    /** A click in a Plotly figure selects the token or the layer under it. */
    watchPlots() {
      const bind = (id, change) => {
        const plot = document.querySelector(`#${id} .js-plotly-plot`);
        if (plot && plot.on) plot.on("plotly_click", (event) => this.set(change(event.points[0].x)));
        else if ($(id)) setTimeout(() => this.alive() && bind(id, change), 200);
      };
      if (this.view.tokens) bind("run-confidence", (x) => ({ pos: x }));
      if (this.view.attention) bind("run-formation", (x) => ({ layer: x }));
    }

    /** The header's copy button, and pictures of what is not a Plotly figure. */
    outlets() {
      const copy = $("run-copy");
      if (copy)
        copy.addEventListener(
          "click",
          () => {
            copy.dataset.copy = location.origin + location.pathname + this.query();
          },
          true,
        );
      for (const name of ["tokens", "candidates", "attention", "lens", "attributions", ...Object.keys(MAPS)]) {
        hs.pictured[`run-${name}`] = (format) => {
          const card = $(`run-${name}`);
          card.dataset.caption = this.caption(name);
          return hs.picture(card, format);
        };
      }
    }

    /** What a picture must say to stand alone. */
    caption(name) {
      const s = this.state,
        where = { attention: `layer ${s.layer}, head ${s.head}`, candidates: `position ${this.position()}` }[name];
      const text = this.view.tokens.tokens
        .map((t) => t.text)
        .join("")
        .replace(/\s+/g, " ");
      return [where, this.view.model, text.length > 80 ? `${text.slice(0, 79)}…` : text].filter(Boolean).join(" · ");
    }

    stop() {
      this.stopped = true;
      this.stops.forEach((stop) => stop());
      if (this.explorer) this.explorer.destroy();
    }
  }

  let waiting = null;

  /** Called with the view model; the cards come in the same answer, so draw when they are in the document. */
  function show(view) {
    if (waiting) waiting.disconnect();
    waiting = null;
    if (!view || draw(view)) return;
    waiting = new MutationObserver(() => {
      if (!draw(view)) return;
      waiting.disconnect();
      waiting = null;
    });
    waiting.observe(document.body, { childList: true, subtree: true });
  }

  function draw(view) {
    const root = $("run-root");
    if (!root || !root.querySelector(`[data-run="${view.id}"]`)) return false;
    if (page) page.stop();
    page = new Page(view);
    root.dataset.ready = view.id;
    return true;
  }

  clientside.headscope_run = { show: (view) => { show(view); } };
})();
