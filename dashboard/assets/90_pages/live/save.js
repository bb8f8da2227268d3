/* headscope.live.Save: the dialog that computes the prompt again, with every analysis, and stores it. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const live = (hs.live = hs.live || {});
  const { $, el, quoted } = hs.dom;

  class Save {
    constructor(page) {
      this.page = page;
      this.dialog = $("live-dialog");
      this.said = $("live-save-state");
      const box = $("live-experiment-box");
      this.experiment = el("input", {
        id: "live-experiment",
        class: "hs-field",
        type: "text",
        value: box.dataset.default,
        autocomplete: "off",
      });
      box.replaceChildren(this.experiment);
      $("live-save").addEventListener("click", () => this.open());
      this.go = $("live-save-go");
      this.go.addEventListener("click", () => this.start());
      this.experiment.addEventListener("keydown", (event) => event.key === "Enter" && this.start());
    }

    /** What a run of the current view is: a token in the middle is the target of the text before it. */
    prompt() {
      const { facts } = this.page.result, s = this.page.state;
      if (facts.position === null) return { text: facts.text, target: s.target, foil: s.foil };
      const start = facts.spans[facts.position][0];
      return {
        text: Array.from(facts.text).slice(0, start).join(""),
        target: facts.tokens[facts.position],
        foil: s.foil,
      };
    }

    open() {
      const what = this.prompt(), cut = this.page.result.facts.position !== null;
      $("live-save-what").replaceChildren(
        `${this.page.state.model} reads ${cut ? "the text before the chosen token, " : ""}`,
        el("b", { text: `“${what.text}”` }),
        what.target ? ", target " : "",
        what.target ? el("b", { text: quoted(what.target) }) : ", and explains its own first choice",
        what.foil ? " against " : "",
        what.foil ? el("b", { text: quoted(what.foil) }) : "",
        ". The standard analyses are computed and stored; this takes longer than the live view.",
      );
      this.go.disabled = cut && !what.target;
      this.say(
        this.go.disabled
          ? el("span", {
              class: "hs-live-warn",
              text: "The chosen token is the rest of a split character and has no text of its own: choose another "
                + "token.",
            })
          : "",
      );
      this.dialog.showModal();
      this.experiment.select();
    }

    say(...parts) { this.said.replaceChildren(...parts); }

    async start() {
      this.go.disabled = true;
      this.say("Handing over …");
      try {
        const body = { ...this.prompt(), model: this.page.state.model, experiment: this.experiment.value };
        const { job } = await hs.request.json(`${live.API}/runs`, hs.request.posted(body));
        const run = await hs.request.stored(job, (text) => this.say(text), "Computing the analyses …");
        this.say("Stored: ", el("a", { href: `/run?id=${run}`, text: "open the run" }));
      } catch (error) {
        this.say(el("span", { class: "hs-live-warn", text: `It was not saved: ${error.message}` }));
        this.go.disabled = false;
      }
    }
  }

  live.Save = Save;
})();
