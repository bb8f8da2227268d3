/* headscope.live.Explain: leave-one-out of the text on view, part by part, so that a newer text never waits long. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const live = (hs.live = hs.live || {});
  const { $, el, plural } = hs.dom;
  const UNITS = [["token", "Tokens"], ["word", "Words"]];
  const MASKINGS = [["mean", "Mean embedding"], ["token", "Line break"], ["delete", "Nothing"]];
  const INSTEAD = {
    mean: "with the mean embedding in its place",
    token: "with a line break in its place",
    delete: "with nothing in its place, so that later tokens move up",
  };

  class Explain {
    constructor(page) {
      this.page = page;
      this.says = $("live-explained");
    }

    /** Before anything is known of `result`: no scores. Long texts wait to be asked. */
    begin(result) {
      result.explained = {
        label: this.page.method.label,
        scores: new Array(result.facts.tokens.length).fill(NaN),
        pending: true,
        error: null,
        done: 0,
        units: 0,
      };
      result.explained.asked = result.facts.tokens.length <= Explain.long;
      this.controls();
    }

    controls() {
      const s = this.page.state, change = (key) => (value) => { s[key] = value; this.again(); };
      $("live-removal").replaceChildren(
        hs.switches.choose("Leave out", UNITS, s.leave, change("leave")),
        hs.switches.choose("In its place", MASKINGS, s.instead, change("instead")),
      );
    }

    /** Explain the text on view, from the beginning. */
    async start() {
      const { page } = this, { result } = page, { sequence, signal } = page.requests.take();
      try {
        await this.run(result, page.requests.body(sequence), signal);
      } catch (error) {
        if (error.name === "AbortError" || sequence !== page.requests.sequence) return;
        this.failed(result, error.message);
      }
      if (sequence === page.requests.sequence && result === page.result && !result.explained.pending)
        page.root.dataset.explained = String(sequence);
    }

    /** Another unit, or another thing in its place. */
    again() {
      const { page } = this, before = page.result?.explained;
      page.link();
      if (!before || page.root.classList.contains("stale")) return this.controls();
      delete page.root.dataset.explained;
      this.begin(page.result);
      page.result.explained.asked ||= before.asked;
      page.drawTokens();
      return this.start();
    }

    /** Ask for parts until all units are there, or a newer request drops this one. `body`: the request of the text. */
    async run(result, body, signal) {
      const found = result.explained;
      if (!found.asked) return this.caption(result);
      for (let first = 0; ; ) {
        this.caption(result);
        const part = await this.page.requests.post(
          "/explanation",
          { ...body, unit: this.page.state.leave, masking: this.page.state.instead, first },
          signal,
        );
        if (result !== this.page.result || signal.aborted) return undefined;
        part.scores.forEach((score, i) => { if (score !== null) found.scores[i] = score; });
        Object.assign(found, {
          error: part.error,
          done: part.stop,
          units: part.units,
          quantity: part.quantity,
          unit: part.unit,
          masking: part.masking,
          pending: part.stop < part.units && !part.error,
        });
        this.page.drawTokens();
        if (!found.pending) break;
        first = part.stop;
      }
      return this.caption(result);
    }

    failed(result, reason) {
      Object.assign(result.explained, { error: reason, pending: false });
      this.page.drawTokens();
      this.caption(result);
    }

    /** What the bars are, and what they are not. */
    caption(result) {
      const found = result.explained, s = this.page.state, T = result.facts.tokens.length, unit = s.leave;
      this.says.dataset.state = found.error
        ? "failed"
        : !found.asked
          ? "waiting"
          : found.pending
            ? "computing"
            : "done";
      this.says.setAttribute("aria-busy", String(found.asked && found.pending));
      if (!found.asked) {
        this.says.replaceChildren(
          `Leaving out each of ${plural(T, "token")} takes as many passes through the model. `,
          el("button", {
            type: "button",
            class: "hs-button",
            text: "Compute",
            onclick: () => {
              found.asked = true;
              this.start();
            },
          }),
        );
        return;
      }
      const how = found.pending
        ? found.units
          ? `Leaving out ${unit} ${found.done.toLocaleString("en")} of ${found.units.toLocaleString("en")} … `
          : `Leaving out one ${unit} at a time … `
        : "";
      this.says.replaceChildren(
        el("b", { text: how }),
        `How much less likely the explained token gets without this ${unit}, ${INSTEAD[s.instead]}`,
        result.facts.target.foil_text === null ? "" : " (against the foil)",
        ". Below zero: likelier without it. ",
        `Two ${unit}s that stand in for each other both score low, and a text with a hole is not a text. The first `
          + `token is never left out.`,
      );
    }
  }

  /** Tokens; a longer text is explained when asked for: it keeps the cores busy for minutes. */
  Explain.long = 64;

  live.Explain = Explain;
})();
