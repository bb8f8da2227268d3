/* headscope.why.Answer: what the model says before and after, and which tokens of the two prompts belong together. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const why = (hs.why = hs.why || {});
  const { el, number, percent, quoted, visible, label } = hs.dom;
  const plus = (value, text) => (value > 0 ? `+${text}` : text);
  const ROUNDING = 1e-5; // what two rows of one pass may be apart, relative
  const same = (before, after) => Math.abs(after - before) <= ROUNDING * Math.max(Math.abs(before), 1);
  const change = (before, after, digits = 3) =>
    same(before, after) ? "0" : plus(after - before, number(after - before, digits));

  /** Rows of a table with a caption; the first cell names its row. */
  function table(caption, names, rows) {
    const head = names.map((name, i) => el("th", { scope: "col", class: i ? "num" : null, text: name }));
    return el("div", { class: "hs-scroll-x" }, [
      el("table", { class: "hs-table hs-why-table" }, [
        el("caption", { text: caption }),
        el("thead", {}, [el("tr", {}, head)]),
        el("tbody", {}, rows.map(([name, cells, data]) =>
          el("tr", data || {}, [
            el("th", { scope: "row", text: name }), ...cells.map((text) => el("td", { class: "num", text })),
          ]))),
      ]),
    ]);
  }

  class Answer {
    constructor(page) {
      this.page = page;
      this.message = el("div", { class: "hs-why-message", role: "status", "aria-live": "polite" });
      this.body = el("div", { class: "hs-why-answer" });
      this.root = el("div", {}, [this.message, this.body]);
    }

    say(kind, text = "") {
      this.message.className = `hs-why-message ${kind}`;
      this.message.setAttribute("role", kind === "error" ? "alert" : "status");
      this.message.textContent = text;
    }

    refuse(reason) {
      this.body.classList.add("stale");
      this.say("error", `${reason[0].toUpperCase()}${reason.slice(1)}`);
    }

    draw(answer) {
      this.say("");
      this.body.classList.remove("stale");
      this.body.replaceChildren(
        el("p", { class: "hs-said", text: this.sentence(answer) }),
        el("div", { class: "hs-why-tables" }, [this.facts(answer), this.candidates(answer)]),
        this.tokens(answer),
      );
    }

    sentence({ target, before, after, kl, no_kl: noKl, interventions, seconds, model }) {
      const what = target.foil_text === null ? `The log-probability of ${quoted(target.text)}`
        : `The margin, log-probability of ${quoted(target.text)} minus that of ${quoted(target.foil_text)},`;
      const own = target.chosen === "given" ? "" : " (the model’s own first choice)";
      const many = Math.max(target.n_tokens, target.foil_n_tokens) > 1 ? " Of words of several tokens the first counts."
        : "";
      const moved = interventions.length
        ? `goes from ${number(before.value, 4)} to ${number(after.value, 4)} nats; KL(before ‖ after) of the next `
          + `token is ${noKl || `${number(kl, 3)} nats`}.`
        : `is ${number(before.value, 4)} nats.`;
      return `${what}${own} ${moved}${many} One pass of ${model.name}, ${(1000 * seconds).toFixed(0)} ms: of this `
        + "prompt, not a mean over prompts.";
    }

    facts({ target, before, after }) {
      const nats = (name, key) => [name, [number(before[key]), number(after[key]), change(before[key], after[key])]];
      const rank = (name, key) => [name, [String(before[key]), String(after[key]), change(before[key], after[key])]];
      const one = quoted(target.text, 14), other = target.foil_text === null ? null : quoted(target.foil_text, 14);
      const margin = nats("Margin", "value");
      return table("Before and after (nats; rank 1 is the likeliest)", ["", "Before", "After", "Change"], [
        ...(other ? [[...margin, { "data-row": "margin" }]] : []),
        [...nats(`log p(${one})`, "logprob"), { "data-row": "target" }],
        rank(`rank of ${one}`, "rank"),
        ...(other ? [nats(`log p(${other})`, "foil_logprob"), rank(`rank of ${other}`, "foil_rank")] : []),
      ]);
    }

    candidates({ candidates, target }) {
      const role = (text) => ({ [target.text]: " · target", [target.foil_text]: " · foil" })[text] || "";
      return table("Next token, probabilities", ["Token", "Before", "After", "Change"], candidates.map((one) => [
        `${visible(one.text)}${role(one.text)}`,
        [percent(one.before), percent(one.after), `${change(100 * one.before, 100 * one.after, 2)} points`],
        { "data-token": one.text },
      ]));
    }

    /** Tokens of the changed prompt, each a choice of position, over what belongs to it in the other one. */
    tokens({ tokens, source, aligned }) {
      const { page } = this, partner = new Map(aligned.map(([theirs, mine]) => [mine, theirs]));
      const chosen = page.form.one.position;
      const under = (i) => {
        if (!source) return null;
        if (!partner.has(i)) return el("small", { text: "–", title: "No counterpart in the other prompt" });
        const other = source[partner.get(i)];
        const equal = other === tokens[i];
        return el("small", { class: equal ? "same" : "differs", text: equal ? "=" : label(other) });
      };
      const pick = (i) => {
        page.form.set({ position: page.form.one.position === i ? null : i });
        this.draw(page.answer);
        this.body.querySelectorAll(".hs-why-token")[i].focus();
      };
      return el("div", { class: "hs-why-aligned" }, [
        el("p", { class: "hs-muted", text: source
          ? "Tokens, and under each what belongs to it in the other prompt. Choose one to change only that position."
          : "Tokens: choose one to change only that position." }),
        el("div", { class: "hs-why-tokens" }, tokens.map((text, i) => el("button", {
          type: "button", class: "hs-why-token", "aria-pressed": String(chosen === i), title: `Position ${i}`,
          onclick: () => pick(i),
        }, [el("span", { text: visible(text) || "◦" }), under(i)]))),
      ]);
    }
  }

  why.Answer = Answer;
})();
