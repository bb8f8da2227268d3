/* headscope.why.Save: what was changed, computed anew with the standard measurements and stored as a run. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const why = (hs.why = hs.why || {});
  const { el } = hs.dom;

  class Save {
    constructor(page) {
      this.page = page;
      this.experiment = el("input", {
        class: "hs-field", type: "text", value: "why", "aria-label": "Experiment", autocomplete: "off",
      });
      this.go = el("button", { type: "submit", class: "hs-button" }, [
        el("i", { class: "bi bi-bookmark-plus", "aria-hidden": "true" }), el("span", { text: "Save as run" }),
      ]);
      this.state = el("span", { class: "hs-muted", role: "status" });
      this.root = el("form", { class: "hs-why-save", onsubmit: (event) => this.submit(event) }, [
        el("label", { class: "hs-labelled" }, [el("span", { text: "Experiment" }), this.experiment]),
        this.go, this.state,
      ]);
    }

    /** Why nothing can be saved now, "" when it can. */
    reason() {
      const { made } = this.page;
      if (!made.length) return "";
      return made.some((code) => code.endsWith(":patch"))
        ? "A patch takes from another prompt, and a run is of one: copy this page\u2019s link instead." : "";
    }

    draw() {
      this.root.hidden = !this.page.made.length;
      this.go.disabled = Boolean(this.reason());
      this.say(this.reason());
    }

    say(...parts) { this.state.replaceChildren(...parts); }

    async submit(event) {
      event.preventDefault();
      const { page } = this, { model, target, foil } = page.boot, made = page.made;
      const body = { model, target, foil, text: page.text, interventions: made, experiment: this.experiment.value };
      const here = () => page.made === made && this.root.isConnected;
      this.go.disabled = true;
      this.say("Handing over \u2026");
      try {
        const { job } = await hs.request.json(`${why.API}/runs`, hs.request.posted(body));
        const run = await hs.request.stored(job, (text) => here() && this.say(text), "Computing \u2026", here);
        if (run) this.say("Stored: ", el("a", { href: `/run?id=${run}`, text: "open the run" }));
      } catch (error) {
        if (!here()) return;
        this.say(`It was not saved: ${error.message}`);
        this.go.disabled = false;
      }
    }
  }

  why.Save = Save;
})();
