/* headscope.why.Form: which part of the model, where, and what becomes of it; and the list of what was done, each a
   chip that can be taken back. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const why = (hs.why = hs.why || {});
  const { el, label, plural } = hs.dom;
  const PROMPTS = [["clean", "Clean prompt"], ["corrupted", "Corrupted prompt"]];

  const field = (name, control) => el("label", { class: "hs-labelled" }, [el("span", { text: name }), control]);
  const count = (n) => Array.from({ length: n }, (_, i) => [String(i), String(i)]);

  class Form {
    constructor(page) {
      this.page = page;
      this.one = { part: "head", layer: 0, head: 0, position: null, change: "zero", factor: "0.5" };
      this.factor = el("input", {
        class: "hs-field hs-why-factor", type: "number", step: "any", min: -100, max: 100, required: true,
        "aria-label": "Factor", value: this.one.factor, oninput: (event) => { this.one.factor = event.target.value; },
      });
      this.fields = el("div", { class: "hs-why-fields" });
      this.chips = el("ul", { class: "hs-why-chips", "aria-label": "Interventions" });
      this.undo = this.button("arrow-counterclockwise", "Undo", "Take the last step back (u)", () => page.undo());
      this.clear = this.button("x-lg", "Clear", "Take every intervention back", () => page.change([]));
      this.root = el("form", { class: "hs-why-form", onsubmit: (event) => this.submit(event) }, [
        this.fields,
        el("div", { class: "hs-why-done" }, [this.chips, this.undo, this.clear]),
      ]);
    }

    button(sign, text, title, onclick) {
      return el("button", { type: "button", class: "hs-button", title, onclick }, [
        el("i", { class: `bi bi-${sign}`, "aria-hidden": "true" }), el("span", { text }),
      ]);
    }

    submit(event) {
      event.preventDefault();
      this.page.add(why.codes.write(this.one));
    }

    set(changes) {
      Object.assign(this.one, changes);
      this.draw();
    }

    /** A cell of the map, to be taken from the other prompt; where nothing was done yet, in the prompt that the map
        patches. */
    offer(part, layer, position) {
      const { page } = this;
      Object.assign(this.one, { part, layer: Number(layer), position: Number(position), change: "patch" });
      if (!page.made.length && page.on === "clean" && page.boot.corrupted) page.become([], "corrupted");
      else this.draw();
    }

    draw() {
      const { page } = this, typing = document.activeElement === this.factor;
      hs.switches.renew(this.fields, this.controls());
      if (typing) this.factor.focus();
      this.chips.replaceChildren(...page.made.map((code, i) => this.chip(code, i)));
      if (!page.made.length)
        this.chips.append(el("li", { class: "hs-muted", text: "Nothing is changed: the model is as it is." }));
      this.undo.disabled = !page.past.length;
      this.clear.disabled = !page.made.length;
    }

    controls() {
      const { one, page } = this, menu = hs.switches.menu, tokens = page.tokens;
      const { layers, heads } = page.answer ? page.answer.model : { layers: one.layer + 1, heads: (one.head ?? 0) + 1 };
      const reach = layers + (one.part === "residual");
      one.layer = Math.min(one.layer, reach - 1);
      if (one.position !== null && tokens.length && one.position >= tokens.length) one.position = null;
      const places = [["", "every position"], ...tokens.map((text, i) => [String(i), `${i}: ${label(text, 14)}`])];
      const changes = why.codes.CHANGES.filter(([name]) => name !== "patch" || page.source);
      if (!changes.some(([name]) => name === one.change)) one.change = "zero";
      const number = (name, key, n) => menu(name, count(n), one[key], (value) => this.set({ [key]: Number(value) }));
      return [
        page.boot.corrupted ? hs.switches.choose("Prompt to change", PROMPTS, page.on, (on) => this.swap(on)) : null,
        field("Part", menu("Part", why.codes.PARTS, one.part, (part) => this.set({ part }))),
        field("Layer", number("Layer", "layer", reach)),
        one.part === "head" ? field("Head", number("Head", "head", heads)) : null,
        field("At", menu("Position", places, one.position ?? "", (at) =>
          this.set({ position: at === "" ? null : Number(at) }))),
        hs.switches.choose("Change", changes, one.change, (change) => this.set({ change })),
        one.change === "scale" ? field("Factor", this.factor) : null,
        el("button", { type: "submit", class: "hs-button hs-button-primary", text: "Add" }),
      ].filter(Boolean);
    }

    /** The same interventions in the other prompt; positions are another prompt's, so those that name one go. */
    swap(on) {
      const { page } = this;
      if (on === page.on) return;
      page.change(page.made.filter((code) => (why.codes.parse(code)?.position ?? null) === null), on);
    }

    /** The keyboard goes on at the button beside. */
    takeBack(index) {
      this.page.remove(index);
      this.undo.focus();
    }

    chip(code, index) {
      const said = why.codes.words(code, this.page.tokens);
      return el("li", { class: "hs-chip", "data-code": code }, [
        el("span", { class: "hs-ellipsis", text: said }),
        el("button", {
          type: "button", class: "hs-why-remove", text: "×", "aria-label": `Take back: ${said}`,
          title: `Take back (${plural(index + 1, "step")} in)`, onclick: () => this.takeBack(index),
        }),
      ]);
    }
  }

  why.Form = Form;
})();
