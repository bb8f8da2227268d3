/* headscope.attention.Controls: layer and head steppers, view, scale and link choices, and the colour legend. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const attention = (hs.attention = hs.attention || {});
  const { el, context, number } = hs.dom;

  const VIEWS = [["matrix", "Matrix", "Queries by keys"], ["links", "Links", "Lines from query to key"]];
  const SCALES = [
    ["fixed", "0 to 1", "The same scale for every head"],
    ["head", "Head’s max", "Stretched to this head’s largest weight"],
    ["fit", "Fitted", "Stretched so that the largest hundredth of this head’s weights has the full colour: long texts "
      + "are pale otherwise"],
  ];
  const TOPS = [1, 2, 3, 5, 8];
  const CELLS = [
    ["pattern", "Patterns", "Each head’s attention, max-pooled"],
    ["value", "Values", "The statistic the table is sorted by"],
  ];

  function stepper(name, keys, step) {
    const value = el("output", { class: "hs-step-value" });
    const button = (by, sign, key) =>
      el("button", {
        type: "button",
        "aria-label": `${by < 0 ? "Previous" : "Next"} ${name.toLowerCase()} (key ${key})`,
        title: `${by < 0 ? "Previous" : "Next"} ${name.toLowerCase()}: ${key}`,
        text: sign,
        onclick: () => step(by),
      });
    return { value, root: el("div", { class: "hs-step", role: "group", "aria-label": name }, [
      button(-1, "‹", keys[0]), el("span", {}, [`${name} `, value]), button(1, "›", keys[1])]) };
  }

  /** A menu with its name beside it: {root, set(value)}. */
  function labelled(name, choices, change) {
    const { root, set } = hs.switches.select(name, choices, change);
    return { root: el("label", { class: "hs-labelled" }, [el("span", { text: name }), root]), set };
  }

  class Controls {
    /** set(partial) changes the explorer's state. */
    constructor(view, set) {
      const step = (axis, size) => (by) => set((s) => ({ [axis]: (s[axis] + by + size) % size }));
      this.view = view;
      this.layer = stepper("Layer", ["[", "]"], step("layer", view.L));
      this.head = stepper("Head", [",", "."], step("head", view.H));
      this.mode = hs.switches.switcher("View", VIEWS, (v) => set({ view: v }));
      this.scale = hs.switches.switcher("Scale", SCALES, (v) => set({ scale: v }));
      if (view.signed) this.scale.root.firstChild.textContent = "±1";
      this.top = labelled("Links per query", TOPS.map((n) => [n, String(n)]), (v) => set({ top: Number(v) }));
      this.sink = el("input", { type: "checkbox", onchange: () => set({ sink: this.sink.checked }) });
      this.cells = hs.switches.switcher("Overview shows", CELLS, (v) => set({ cells: v }));
      this.legend = el("canvas", { class: "hs-legend", role: "img" });
      this.note = el("span", { class: "hs-legend-note" });
    }

    /** The toolbar above the large head. */
    toolbar() {
      return el("div", { class: "hs-attn-bar", role: "toolbar", "aria-label": "Attention view" }, [
        this.layer.root,
        this.head.root,
        this.mode.root,
        this.scale.root,
        this.top.root,
        el(
          "label",
          {
            class: "hs-check",
            title:
              "Most heads park attention on the first token; hide it to see the rest (weights are not renormalised)",
          },
          [this.sink, el("span", { text: "First token" })],
        ),
      ]);
    }

    draw(state, slice) {
      this.layer.value.textContent = `${state.layer}`;
      this.head.value.textContent = `${state.head}`;
      this.mode.set(state.view);
      this.scale.set(state.scale);
      this.top.set(state.top);
      this.top.root.hidden = state.view !== "links";
      this.sink.checked = state.sink;
      this.cells.set(state.cells);
      this.drawLegend(state, slice);
    }

    drawLegend(state, slice) {
      const width = 232, height = 30, edge = 16, c = context(this.legend, width, height), { signed } = this.view;
      const top = (slice && { head: slice.max, fit: slice.fit }[state.scale]) ** 2 || 1, low = signed ? -1 : 0;
      for (let x = 0; x <= width - 2 * edge; x++) {
        c.fillStyle = hs.color.css(low + (1 - low) * (x / (width - 2 * edge)), signed);
        c.fillRect(edge + x, 2, 1, 10);
      }
      c.font = hs.color.font(10);
      c.fillStyle = hs.color.variable("--hs-ink-3");
      c.textAlign = "center";
      for (const level of signed ? [-1, -0.5, 0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
        c.fillText(
          number(Math.sign(level) * level ** 2 * top, 2),
          edge + ((level - low) / (1 - low)) * (width - 2 * edge),
          25,
        );
      }
      this.note.textContent = [
        `${this.view.signed ? "difference" : "attention weight"}, square-root scale`,
        state.scale === "fit" && "the largest 1 % share the full colour",
        !state.sink && "first token hidden, not renormalised",
      ].filter(Boolean).join("; ");
      this.legend.setAttribute(
        "aria-label",
        `Colour scale from ${number(low * top, 2)} to ${number(top, 2)}, square root`,
      );
    }
  }

  attention.Controls = Controls;
})();
