/* headscope.live.Views: token chips, next-token candidates, and the facts under the prompt. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const live = (hs.live = hs.live || {});
  const { $, el, visible, quoted, number, percent, plural } = hs.dom;
  const FULL_BITS = 16, SHOWN = 10;

  class Views {
    constructor(page) {
      this.page = page;
      this.chips = $("live-tokens");
      this.chips.addEventListener("click", (event) => {
        const chip = event.target.closest("[data-index]");
        if (chip) page.explain(Number(chip.dataset.index));
      });
      const point = (event) =>
        page.strips.point(
          event.target.closest ? Number(event.target.closest("[data-index]")?.dataset.index ?? NaN) : NaN,
        );
      for (const name of ["mouseover", "focusin", "mouseleave"]) this.chips.addEventListener(name, point);
    }

    draw(result) {
      this.result = result;
      this.controls();
      this.drawChips();
      this.drawCandidates();
    }

    set(change) {
      Object.assign(this.page.state, change);
      this.page.link();
      this.page.drawTokens();
    }

    controls() {
      const s = this.page.state,
        { explained } = this.result;
      const spaces = hs.switches.toggle("␣", "Show spaces and line breaks as signs", s.spaces, (on) =>
        this.set({ spaces: on }),
      );
      const { name, label, summary } = this.page.method;
      const usable = [["surprisal", "Surprisal"], ...(explained.error ? [] : [[name, label, summary]])];
      $("live-colours").replaceChildren(
        hs.switches.choose("Colour by", usable, s.colour, (colour) => this.set({ colour })),
        hs.switches.choose(
          "Unit",
          [
            ["bits", "bits"],
            ["nats", "nats"],
          ],
          s.unit,
          (unit) => this.set({ unit }),
        ),
        spaces,
      );
    }

    /** What colours the chips: {values, signed, top, unit, name}; the scale of surprisal is fixed, so colours stay
        put as you type. */
    colouring() {
      const { arrays, explained } = this.result,
        s = this.page.state,
        { label } = this.page.method;
      if (s.colour === "surprisal" || explained.error) {
        return {
          values: Array.from(arrays.logprobs, (v) => live.inUnit(-v, s.unit)),
          signed: false,
          top: live.inUnit(FULL_BITS * Math.log(2), s.unit),
          unit: s.unit,
          name: "surprisal",
        };
      }
      const values = explained.scores.map((v) => live.inUnit(v, s.unit));
      const top = Math.max(...values.map((v) => (Number.isNaN(v) ? 0 : Math.abs(v))), 1e-12);
      return {
        values,
        signed: true,
        top,
        unit: s.unit,
        name: label.toLowerCase() + (explained.pending ? " (computing …)" : ""),
      };
    }

    drawChips() {
      const { facts, arrays } = this.result,
        s = this.page.state,
        colour = this.colouring();
      const kept = this.chips.contains(document.activeElement) ? document.activeElement.dataset.index : null;
      this.chips.replaceChildren(
        ...facts.tokens.flatMap((text, i) => {
          const chip = this.chip(text, i, colour);
          const rank = arrays.ranks[i] > 0 ? `, rank ${arrays.ranks[i].toLocaleString("en")}` : "";
          chip.title = `${quoted(text)}, token ${i}\nsurprisal ${number(live.inUnit(-arrays.logprobs[i], s.unit), 3)} `
            + `${s.unit}${rank}`;
          return text.includes("\n") ? [chip, el("i", { class: "hs-live-break" })] : [chip];
        }),
        this.nextChip(),
        this.legend(colour),
      );
      if (kept !== null) this.chips.querySelector(`[data-index="${kept}"]`)?.focus();
    }

    chip(text, i, { values, signed, top }) {
      const v = values[i],
        known = !Number.isNaN(v),
        position = this.result.facts.position,
        s = this.page.state;
      const level = known ? Math.max(-1, Math.min(1, v / top)) : 0;
      const kind = [
        position === i && "target",
        position !== null && i > position && "after",
        !known && "unmeasured",
        !text && "rest",
      ]
        .filter(Boolean)
        .join(" ");
      const shown = !text ? "◦" : s.spaces || !text.trim() ? visible(text) : text.replace(/\n/g, "⏎");
      return el(
        "button",
        {
          type: "button",
          class: `hs-live-chip ${kind}`,
          "data-index": i,
          "aria-pressed": String(position === i),
          "--chip": known ? hs.color.css(level, signed) : null,
          "--ink": known ? hs.color.ink(level, signed) : null,
        },
        [
          el("span", { class: "t", text: shown }),
          el("span", { class: "n", text: known ? number(v, v >= 100 ? 3 : 2) : "–" }),
        ],
      );
    }

    /** The token that is not there yet; a click goes back to explaining it. */
    nextChip() {
      const { facts } = this.result,
        next = facts.position === null;
      return el(
        "button",
        {
          type: "button",
          class: `hs-live-chip next ${next ? "target" : ""}`,
          "aria-pressed": String(next),
          title: "Explain the next token",
          onclick: () => this.page.state.position !== null && this.page.explain(this.page.state.position),
        },
        [
          el("span", { class: "t", text: next ? `${facts.target.text.replace(/\n/g, "⏎")} ?` : " ?" }),
          el("span", { class: "n", text: next ? percent(Math.exp(facts.target.logprob)) : "next" }),
        ],
      );
    }

    legend({ signed, top, unit, name }) {
      const high = `${number(top, 2)}${name === "surprisal" ? "+" : ""} ${unit}`;
      return hs.switches.legend("hs-live-legend", name, hs.switches.lowEnd(top, signed, 2), high, signed);
    }

    drawCandidates() {
      const { facts } = this.result,
        s = this.page.state,
        position = facts.position,
        target = facts.target;
      const rows = live.candidates(this.result, position),
        top = Math.exp(rows[0].logprob);
      const shown = rows.slice(0, SHOWN);
      for (const [text, logprob, rank] of [
        [target.text, target.logprob, target.rank],
        [target.foil_text, target.foil_logprob, target.foil_rank],
      ]) {
        if (text !== null && logprob !== null && !shown.some((row) => row.rank === rank))
          shown.push({ text, logprob, rank });
      }
      $("live-next-title").textContent =
        position === null ? "Next token" : `Instead of ${quoted(facts.tokens[position])}`;
      $("live-next-subtitle").textContent =
        position === null
          ? "Click a candidate to explain it; shift-click to set it against the target."
          : "What the model expected there. Click a candidate to set it against the token.";
      const rest = 1 - rows.reduce((sum, row) => sum + Math.exp(row.logprob), 0);
      const entropy = position === null ? facts.next_entropy : this.result.arrays.entropies[position];
      $("live-candidates").replaceChildren(
        this.statement(),
        el(
          "ol",
          { class: "hs-live-candidates" },
          shown.map((row) => this.candidate(row, top)),
        ),
        el("p", {
          class: "hs-live-rest hs-muted",
          text: `All other tokens: ${percent(Math.max(0, rest))} below rank ${rows.length} · entropy `
            + `${number(live.inUnit(entropy, s.unit), 3)} ${s.unit}`,
        }),
      );
    }

    candidate({ text, logprob, rank }, top) {
      const { target } = this.result.facts,
        p = Math.exp(logprob),
        part = text.includes("\ufffd");
      const role = rank === target.rank ? "target" : rank === target.foil_rank ? "foil" : "";
      const pick = el(
        "button",
        {
          type: "button",
          class: "pick",
          "aria-pressed": String(role === "target"),
          disabled: part,
          title: part ? "Part of a character: it has no text of its own to explain" : null,
          onclick: (event) => this.page.choose(text, event.shiftKey),
        },
        [
          el("span", { class: "rank", text: rank.toLocaleString("en") }),
          el("span", { class: "token", text: quoted(text) }),
          el("span", { class: "bar", "--t": (p / top).toFixed(4) }),
          el("span", { class: "hs-num", text: percent(p) }),
        ],
      );
      const foil = el("button", {
        type: "button",
        class: "as-foil",
        title: role === "foil" ? "No foil" : "Set against the target (shift-click)",
        "aria-pressed": String(role === "foil"),
        text: "foil",
        disabled: part || role === "target",
        onclick: () => this.page.choose(text, true),
      });
      return el("li", { class: role }, [pick, foil]);
    }

    /** In words: what is explained, and how likely it was. */
    statement() {
      const { facts } = this.result,
        t = facts.target,
        unit = this.page.state.unit;
      const given =
        facts.position === null ? "after the whole text" : `given the ${plural(facts.position, "token")} before it`;
      const parts = ["Explained: ", el("b", { text: quoted(t.text) })];
      if (t.foil_text !== null) {
        const gap = live.inUnit(t.logprob - t.foil_logprob, unit);
        parts.push(
          " rather than ",
          el("b", { text: quoted(t.foil_text) }),
          `, ${given}: ${gap >= 0 ? "ahead" : "behind"} by ${number(Math.abs(gap), 3)} ${unit}.`,
        );
      } else
        parts.push(
          `, ${given}: ${percent(Math.exp(t.logprob))}, ${number(live.inUnit(-t.logprob, unit), 3)} ${unit} of `
            + `surprisal, rank ${t.rank.toLocaleString("en")}.`,
        );
      if (t.n_tokens > 1)
        parts.push(
          el("span", {
            class: "hs-live-warn",
            text: ` The target is ${t.n_tokens} tokens long; only the first is explained.`,
          }),
        );
      if (t.foil_n_tokens > 1)
        parts.push(
          el("span", {
            class: "hs-live-warn",
            text: ` The foil is ${t.foil_n_tokens} tokens long; only its first counts.`,
          }),
        );
      return el("p", { class: "hs-live-statement" }, parts);
    }

    facts() {
      const { facts, arrays } = this.result,
        unit = this.page.state.unit,
        known = Array.from(arrays.logprobs).filter((v) => !Number.isNaN(v));
      const mean = known.length
        ? ` · mean surprisal ${number(live.inUnit(-known.reduce((a, b) => a + b, 0) / known.length, unit), 3)} ${unit}`
        : "";
      const m = facts.model;
      $("live-prompt-subtitle").textContent =
        `${plural(facts.tokens.length, "token")} · ${plural(Array.from(facts.text).length, "character")}${mean} · `
          + `${m.name}: ${plural(m.layers, "layer")} × ${plural(m.heads, "head")}, ${m.dtype}`;
    }
  }

  live.Views = Views;
})();
