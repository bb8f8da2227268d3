/* headscope.run.Tokens: the text as chips, coloured by one measurement; and the candidates of the selected position. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, visible, quoted, number, percent, roving } = hs.dom;

  /** Colour scale with its ends written out. */
  const legend = ({ label, unit, signed }, limit) =>
    hs.switches.legend(
      "hs-run-legend",
      el("span", { text: `${label}, ${unit}` }),
      hs.switches.lowEnd(limit, signed, 3),
      number(limit, 3),
      signed,
    );

  const HOW = "the sum of shares and weights, the norm of the gradients, else the largest token’s";
  run.GRAINS = [["token", "Tokens"], ["word", "Words", `Scores of a word: ${HOW}`],
    ["sentence", "Sentences", `Scores of a sentence: ${HOW}`]];

  class Tokens {
    constructor(page, root, controls) {
      this.page = page;
      this.view = page.view.tokens;
      this.methods = page.view.attributions.filter((m) => this.view.colourings.some((c) => c.key === m.method));
      this.controls = controls;
      this.chips = el("div", { class: "hs-run-chips", dir: "auto", role: "group", "aria-label": "Tokens of the text" });
      this.facts = el("div", { class: "hs-run-facts", role: "status" });
      this.scale = el("div", {});
      root.replaceChildren(this.chips, el("div", { class: "hs-run-chips-foot" }, [this.facts, this.scale]));
      const look = (event) => this.look(event.target.closest("[data-index]"));
      for (const name of ["mouseover", "focusin"]) this.chips.addEventListener(name, look);
      this.chips.addEventListener("mouseleave", () => this.look(null));
      this.chips.addEventListener("click", (event) => {
        const chip = event.target.closest("[data-index]");
        if (chip) page.set({ pos: Number(chip.dataset.index) });
      });
      this.settle = roving(this.chips, "button");
    }

    draw() {
      const s = this.page.state, list = this.view[`${s.grain}s`];
      this.colouring = this.view.colourings.find((c) => c.key === s.color) || this.view.colourings[0];
      this.limit = this.colouring.limit[s.grain];
      this.method = this.methods.find((m) => m.method === this.colouring.key);
      this.list = list;
      this.steer();
      const held = this.chips.contains(document.activeElement) ? document.activeElement.dataset.index : null;
      this.chips.replaceChildren(...list.flatMap((chip, n) => this.chip(chip, n)), this.next());
      this.settle();
      if (held !== null) this.chips.querySelector(`[data-index="${held}"]`)?.focus();
      this.scale.replaceChildren(legend(this.colouring, this.limit));
      this.look(null);
    }

    steer() {
      const s = this.page.state, set = (change) => this.page.set(change);
      hs.switches.renew(this.controls, [
        hs.switches.choose(
          "Colour by",
          this.view.colourings.map((c) => [c.key, c.label, c.note]),
          this.colouring.key,
          (color) => set({ color }),
        ),
        hs.switches.choose("Granularity", run.GRAINS, s.grain, (grain) => set({ grain })),
        hs.switches.toggle("␣ ⏎", "Show spaces and line breaks as signs", s.marks, (marks) => set({ marks })),
      ]);
    }

    /** Of a method the score of the chip, n-th in the list. */
    value(chip, n = this.list.indexOf(chip)) {
      const { key } = this.colouring;
      return key === "surprisal" || key === "entropy" ? chip[key] : this.score(this.method, n);
    }

    score(method, n) {
      const { grain } = this.page.state;
      return (grain === "token" ? method.scores : method[`${grain}s`])[n];
    }

    chip(chip, n) {
      const v = this.value(chip, n),
        known = v !== null && v !== undefined,
        level = known && this.limit > 0 ? v / this.limit : 0,
        s = this.page.state;
      const on = s.pos !== null && s.pos >= chip.index && s.pos < chip.index + chip.count;
      const kind = [!known && "unmeasured", !chip.text && "rest", chip.special && "special", level < 0 && "negative"]
        .filter(Boolean)
        .join(" ");
      const text = !chip.text ? "◦" : s.marks ? visible(chip.text) : chip.text.replace(/\n/g, "⏎");
      const node = el(
        "button",
        {
          type: "button",
          class: `hs-run-chip ${kind}`,
          "data-index": chip.index,
          "aria-pressed": String(on),
          "aria-label": this.describe(chip, v),
          "--chip": known ? hs.color.css(level, this.colouring.signed) : null,
          "--ink": known ? hs.color.ink(level, this.colouring.signed) : null,
          "--t": Math.abs(level).toFixed(3),
        },
        [el("span", { text })],
      );
      return chip.text.includes("\n") ? [node, el("br", {})] : [node];
    }

    next() {
      const T = this.view.tokens.length, on = this.page.position() === T;
      return el("button", {
        type: "button",
        class: "hs-run-chip next",
        "data-index": T,
        "aria-pressed": String(on),
        title: "What the model expects next",
        text: "next ▸",
      });
    }

    describe(chip, v) {
      return `${chip.count > 1 ? `tokens ${chip.index} to ${chip.index + chip.count - 1}` : `token ${chip.index}`} `
        + `${quoted(chip.text)}, ${this.colouring.label.toLowerCase()} `
          + `${v === null ? "not measured" : `${number(v)} ${this.colouring.unit}`}`;
    }

    /** Exact numbers of the chip in sight, else of the selected one. */
    look(node) {
      const index = node ? Number(node.dataset.index) : this.page.state.pos, T = this.view.tokens.length;
      const chip = this.list.find((c) => index !== null && index >= c.index && index < c.index + c.count);
      this.facts.replaceChildren(...(chip ? this.numbers(chip) : this.expected(index === T)));
    }

    /** Without a chip: what comes next, or what can be done here. */
    expected(atEnd) {
      const next = atEnd ? this.page.view.candidates[this.view.tokens.length - 1] : null;
      if (!next || !next.top.length) {
        const text = "Point at a token for its exact numbers; click it to see what the model expected there.";
        return [el("span", { class: "hs-muted", text })];
      }
      return hs.dom.pairs([
        ["Next token", `${quoted(next.top[0].text)} at ${percent(next.top[0].prob)}`],
        ["Entropy", next.entropy === null ? "not measured" : `${number(next.entropy)} bits`],
      ]);
    }

    numbers(chip) {
      const { index, count, surprisal, logprob, rank, entropy } = chip, n = this.list.indexOf(chip);
      const told = chip.ids[0] >= 0; // behind an API nothing is known of a prompt's tokens
      const why = !told ? "not told by the API" : index === 0 ? "not measured: nothing comes before it"
        : "not measured";
      return hs.dom.pairs([
        [count > 1 ? `Tokens ${index}–${index + count - 1}` : `Token ${index}`, quoted(chip.text)],
        ["id", told ? chip.ids.join(" ") : "–"],
        ["Surprisal", surprisal === null ? why : `${number(surprisal)} bits`],
        ["Log-prob.", logprob === null ? "–" : `${number(logprob)} nats`],
        ["Rank", rank === null ? "–" : rank.toLocaleString("en")],
        ["Entropy before", entropy === null ? "–" : `${number(entropy)} bits`],
        ...this.methods.map((m) => [m.label, number(this.score(m, n))]),
      ]);
    }
  }

  class Candidates {
    constructor(page, root) {
      this.page = page;
      this.root = root;
    }

    draw() {
      const { view } = this.page,
        position = this.page.position(),
        T = view.tokens.tokens.length,
        list = view.candidates[position - 1];
      if (!list) {
        this.root.replaceChildren(
          el("p", {
            class: "hs-muted",
            text: "Nothing comes before the first token, so the model expected nothing there.",
          }),
        );
        return;
      }
      const before = view.tokens.tokens.slice(Math.max(0, position - 6), position).map((t) => t.text).join("");
      const title = position === T ? "After the whole text" : `At token ${position}, after “…${before.trim()}”`;
      const top = list.top.length ? list.top[0].prob : 1;
      this.root.replaceChildren(
        el("p", { class: "hs-run-where", text: title }),
        this.verdict(position, T),
        el(
          "ol",
          { class: "hs-run-candidates", tabindex: "0", "aria-label": "Candidates" },
          [...list.top, ...list.extra].map((c) => this.row(c, top)),
        ),
        el("p", {
          class: "hs-muted hs-run-rest",
          text: this.covered(list),
        }),
      );
    }

    covered(list) {
      if (!list.top.length) return "What the model expected here is not known.";
      const entropy = list.entropy === null ? "entropy not measured" : `entropy ${number(list.entropy)} bits`;
      return `Top ${list.top.length} cover ${percent(list.covered)} · ${entropy}`;
    }

    row(c, top) {
      return el("li", { class: c.roles.join(" ") }, [
        el("span", { class: "rank hs-num", text: c.rank > 0 ? c.rank.toLocaleString("en") : "–" }),
        el("span", { class: "token", title: quoted(c.text) }, [
          el("span", { text: quoted(c.text).slice(1, -1) }),
          ...c.roles.map((role) => el("em", { text: role === "actual" ? "in the text" : role })),
        ]),
        el("span", { class: "bar" }, [el("i", { "--t": Math.min(1, c.prob / top).toFixed(4) })]),
        c.prob === null ? el("span", { class: "hs-num hs-muted", text: "not told" })
          : el("span", { class: "hs-num", text: percent(c.prob), title: `p = ${c.prob}` }),
      ]);
    }

    /** What was asked about the next token, and warnings about long targets. */
    verdict(position, T) {
      const t = this.page.view.target;
      if (position !== T || !t || t.chosen !== "given") return "";
      const parts = [
        el("b", { text: quoted(t.text) }),
        t.logprob === null ? ": its probability was not told" : ` ${percent(Math.exp(t.logprob))}`,
        t.rank > 0 ? `, rank ${t.rank.toLocaleString("en")}` : "",
      ];
      if (t.foil_text !== null && t.foil_logprob !== null && t.logprob !== null) {
        const gap = t.logprob - t.foil_logprob;
        parts.push(
          "; ",
          el("b", { text: quoted(t.foil_text) }),
          ` ${percent(Math.exp(t.foil_logprob))}: target ${gap >= 0 ? "ahead" : "behind"} by ${number(Math.abs(gap))} `
            + `nats`,
        );
      }
      const whole = (this.page.view.explains || {}).explain === "target";
      const long = [
        [t.n_tokens, "target"],
        [t.foil_n_tokens, "foil"],
      ]
        .filter(([n]) => n > 1)
        .map(([n, name]) =>
          el("span", {
            class: "hs-run-warn",
            text: `The ${name} is ${n} tokens long: ${whole ? "the number is its first one’s" : `first of ${n} tokens `
              + "explained"}.`,
          }),
        );
      return el("p", { class: "hs-run-verdict" }, [...parts, ...long]);
    }
  }

  Object.assign(run, { Tokens, Candidates, legend });
})();
