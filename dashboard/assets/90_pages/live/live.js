/* headscope.live: the Live page. Text goes out as it is typed (debounced), the newest answer is drawn, the state is in
   the URL. The parts that draw are views.js, strips.js and the shared attention explorer. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const { $, el, plural } = hs.dom;
  const LINK_MS = 150, SAID_MS = 2500;
  const EXAMPLES = [
    "The captain told the engineer that",
    "The keys on the old wooden table",
    "red green blue yellow red green blue",
  ];

  class Live {
    constructor(boot) {
      this.limits = boot.limits;
      this.state = boot.state;
      this.usual = boot.defaults;
      this.method = boot.method; // {name, label, summary}: what explains the target
      this.requests = new hs.live.Requests(this);
      this.relink = hs.dom.debounced((search) => this.root.isConnected && hs.url.replace("/live", search), LINK_MS);
      this.result = null;
      this.root = $("live-root");
      this.attention = null;
      this.views = new hs.live.Views(this);
      this.strips = new hs.live.Strips($("live-strips"), this);
      this.fields();
      this.stops = [
        hs.color.onTheme(() => this.result && this.drawTokens()),
        hs.dom.gone(this.root, () => this.leave()),
      ];
      this.explaining = new hs.live.Explain(this);
      this.continuing = new hs.live.Continue(this);
      new hs.live.Save(this);
      this.models.fetch();
    }

    /** Fields are made here, not by React, which would fight over what is typed into them. */
    fields() {
      const s = this.state, text = (this.text = $("live-text"));
      const input = (id, box, label, key) => {
        const node = el("input", {
          id,
          class: "hs-field",
          type: "text",
          autocomplete: "off",
          spellcheck: "false",
          placeholder: label,
          value: s[key],
        });
        node.addEventListener("input", () => {
          s[key] = node.value;
          if (key === "target") s.position = null;
          this.ask(performance.now());
        });
        $(box).replaceChildren(node);
        return node;
      };
      this.models = new hs.live.Models(this);
      this.target = input("live-target", "live-target-box", "model’s own first choice", "target");
      this.foil = input("live-foil", "live-foil-box", "none", "foil");
      text.value = s.text;
      text.addEventListener("input", () => {
        s.text = text.value;
        s.position = null;
        this.grow();
        this.ask(performance.now());
      });
      $("live-link").addEventListener("click", () => this.copyLink());
      this.grow();
    }

    grow() {
      this.text.style.height = "auto";
      this.text.style.height = `${Math.min(this.text.scrollHeight + 2, 260)}px`;
    }

    /** Something changed: ask for a new answer once typing pauses. `since` is when the key was pressed. */
    ask(since, delay = hs.live.DEBOUNCE) {
      this.link();
      this.requests.wait();
      if (!this.state.text) return this.blank();
      if (this.result) this.root.classList.add("stale");
      return this.requests.later(since, delay);
    }

    blank() {
      this.requests.drop();
      this.result = null;
      this.root.classList.remove("stale", "full");
      $("live-save").disabled = true;
      $("live-timing").replaceChildren();
      const examples = EXAMPLES.map((text) => el("button", { type: "button", text, onclick: () => this.type(text) }));
      this.say(
        "hint",
        "Type a few words, or start from one of these. Tokens, next-token candidates, what the answer rests on and "
          + "every attention head follow as you type.",
        el("div", { class: "hs-live-examples" }, examples),
      );
    }

    type(text) {
      this.state.text = this.text.value = text;
      this.grow();
      this.text.focus();
      this.ask(performance.now(), 0);
    }

    show(result, marks) {
      this.result = result;
      this.root.removeAttribute("aria-busy");
      this.root.classList.remove("stale");
      this.root.classList.add("full");
      delete this.root.dataset.explained;
      this.explaining.begin(result);
      this.continuing.clear();
      this.advise(result.facts);
      this.drawTokens();
      this.drawAttention();
      this.views.facts();
      $("live-save").disabled = false;
      requestAnimationFrame(() => {
        if (result !== this.result) return;
        hs.live.timing(this.root, { ...marks, drawn: performance.now() });
        this.root.dataset.drawn = String(this.requests.sequence);
      });
    }

    /** What the content filter warns of, and spaces that are probably meant otherwise, each with what was meant. */
    advise({ caution, advice }) {
      const better = ({ field, likelier }) =>
        el("button", {
          type: "button",
          class: "hs-button",
          "data-field": field,
          text: `Write “${likelier.length > 24 ? `…${likelier.slice(-20)}` : likelier}”`,
          onclick: () => {
            this.state[field] = this[field].value = likelier;
            this.ask(performance.now(), 0);
          },
        });
      if (caution) hs.title("/live", "covered prompt");
      this.say(
        caution || advice.length ? "caution" : "",
        caution,
        ...advice.map((one) => el("p", {}, [`${one.said} `, better(one)])),
      );
    }

    /** Another page, or this one anew: nothing of this one goes on. */
    leave() {
      this.requests.drop();
      this.result = null;
      this.stops.splice(0).forEach((stop) => stop());
      if (this.attention) this.attention.destroy();
      this.attention = null;
    }

    drawTokens() {
      this.views.draw(this.result);
      this.strips.draw(this.result);
    }

    drawAttention() {
      const { result, state } = this, tensors = hs.live.source(result), tokens = result.facts.tokens;
      if (this.attention) { this.attention.setTensors(tensors, tokens, result.heads); return; }
      this.attention = hs.attention.mount($("live-attention"), {
        tensors, tokens, heads: result.heads, state: { layer: state.layer, head: state.head, view: state.view },
        onState: ({ layer, head, view }) => { Object.assign(this.state, { layer, head, view }); this.link(); },
      });
    }

    /** Explain token `position` given the tokens before it; null goes back to the next token. */
    explain(position) {
      if (position === 0)
        return this.say(
          "hint",
          "The first token has nothing before it, so the model never predicted it: there is nothing to explain.",
        );
      Object.assign(this.state, { position: this.state.position === position ? null : position, foil: "" });
      this.foil.value = "";
      if (this.state.position !== null) this.setTarget("");
      return this.ask(performance.now(), 0);
    }

    /** A candidate was chosen: as foil, or as target (where a given token is explained, only a foil can be chosen). */
    choose(text, asFoil) {
      const s = this.state, position = this.result.facts.position;
      if (asFoil || position !== null) {
        if (text === this.result.facts.target.text) return;
        s.foil = s.foil === text ? "" : text;
        if (s.foil && position === null && !s.target) this.setTarget(this.result.facts.target.text);
        this.foil.value = s.foil;
      } else {
        this.setTarget(s.target === text ? "" : text);
        if (s.foil === text || !s.target) { s.foil = ""; this.foil.value = ""; }
      }
      this.ask(performance.now(), 0);
    }

    setTarget(text) { this.state.target = this.target.value = text; }

    say(kind, ...parts) {
      const box = $("live-message");
      box.className = `hs-live-message ${kind}`;
      box.setAttribute("role", kind === "error" ? "alert" : "status");
      box.replaceChildren(...parts.filter((part) => part !== ""));
    }

    /** The state as a query string; a long text is left out and the page says so. */
    link() {
      const { text } = this.state;
      this.textInLink = text.length <= this.limits.link;
      hs.title("/live", text);
      const query = hs.url.query({ ...this.state, text: this.textInLink ? text : "" }, this.usual);
      this.relink(query.size ? `?${query.toString().replace(/\+/g, "%20")}` : "");
      $("live-link").title = this.textInLink
        ? "Copy a link to exactly this view"
        : `The text is longer than ${plural(this.limits.link, "character")}, so the link holds everything but the text`;
    }

    async copyLink() {
      const button = $("live-link").querySelector("span");
      try {
        await navigator.clipboard.writeText(location.href);
        button.textContent = this.textInLink ? "Copied" : "Copied, without the text";
      } catch {
        button.textContent = "Copy it from the address bar";
      }
      setTimeout(() => { button.textContent = "Copy link"; }, SAID_MS);
    }
  }

  let current = null;
  clientside.headscope_live = {
    mount(boot) {
      if (current) current.leave();
      if (!boot || !$("live-root")) return clientside.no_update;
      current = hs.live.page = new Live(boot);
      return true;
    },
  };
})();
