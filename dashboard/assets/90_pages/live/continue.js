/* headscope.live.Continue: what the model writes after the text, at a temperature. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const live = (hs.live = hs.live || {});
  const { $, el, quoted, percent } = hs.dom;

  class Continue {
    constructor(page) {
      this.page = page;
      this.seed = 0;
      this.temperature = el("input", {
        id: "live-temperature",
        class: "hs-field",
        type: "number",
        min: 0,
        max: 2,
        step: 0.1,
        value: page.state.temperature,
        title: "0 takes the likeliest token every time; the higher, the more the draw strays",
        oninput: () => this.heat(),
      });
      this.go = el("button", {
        id: "live-write",
        type: "button",
        class: "hs-button",
        text: "Write on",
        onclick: () => this.write(),
      });
      this.text = el("p", { id: "live-continuation", class: "hs-live-continuation", role: "status" });
      $("live-continue").replaceChildren(
        el("div", { class: "hs-live-continue-bar" }, [
          this.go,
          el("label", { for: "live-temperature", text: "Temperature" }),
          this.temperature,
        ]),
        this.text,
      );
    }

    heat() {
      const value = this.temperature.valueAsNumber;
      if (!(value >= 0 && value <= 2)) return this.temperature.setCustomValidity("a number from 0 to 2");
      this.temperature.setCustomValidity("");
      this.page.state.temperature = value;
      this.page.link();
      return this.clear();
    }

    /** The text has changed: what followed the one before says nothing of it. */
    clear() {
      this.seed = 0;
      this.text.replaceChildren();
      delete this.text.dataset.state;
    }

    async write() {
      const { page } = this, { text, temperature } = page.state, result = page.result;
      this.text.dataset.state = "computing";
      this.text.replaceChildren(el("span", { class: "hs-muted", text: "Writing …" }));
      try {
        const seed = temperature ? this.seed++ : 0;
        const found = await page.requests.aside("/continuation", { model: page.state.model, text, temperature, seed });
        if (page.result !== result || page.state.text !== text || page.state.temperature !== temperature) return;
        this.show(text, found);
      } catch (error) {
        if (page.result !== result || error.name === "AbortError") return;
        this.text.dataset.state = "failed";
        this.text.replaceChildren(el("span", { class: "hs-live-warn", text: error.message }));
      }
    }

    show(text, { tokens, text: written }) {
      const given = text.slice(-40), t = this.page.state.temperature;
      this.text.dataset.state = "done";
      this.go.textContent = t ? "Draw again" : "Write on";
      if (!tokens.length) { this.text.replaceChildren("The model ends the text here."); return; }
      this.text.replaceChildren(
        el("span", { class: "hs-muted", text: `${given.length < text.length ? "…" : ""}${given}` }),
        ...tokens.map((token) =>
          el("span", {
            class: "written",
            title: `${quoted(token.text)}: ${percent(Math.exp(token.logprob))}, before any temperature`,
            text: token.text,
          }),
        ),
        " ",
        el("button", {
          type: "button",
          class: "hs-button",
          text: "Take over",
          title: "Add it to the prompt",
          onclick: () => this.page.type(text + written),
        }),
      );
    }
  }

  live.Continue = Continue;
})();
