/* headscope.live: the Live page. Text goes out as it is typed (debounced), the newest answer is drawn, the state is in
   the URL. The parts that draw are live_views.js, live_strips.js and the shared attention explorer. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const { el, plural } = hs.dom;
  const DEBOUNCE = 40, REST = 400, SLOW = 1500, BUSY = 3000, API = "/api/v1/live";
  const EXAMPLES = ["The captain told the engineer that", "The keys on the old wooden table", "red green blue yellow red green blue"];
  const $ = (id) => document.getElementById(id);

  class Live {
    constructor(boot) {
      this.limits = boot.limits;
      this.state = boot.state;
      this.client = Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join("");
      this.sequence = 0;
      this.result = null;
      this.root = $("live-root");
      this.attention = null;
      this.views = new hs.live.Views(this);
      this.strips = new hs.live.Strips($("live-strips"), this);
      this.fields();
      this.stop = hs.color.onTheme(() => this.result && this.drawTokens());
      this.explaining = new hs.live.Explain(this);
      this.continuing = new hs.live.Continue(this);
      new hs.live.Save(this);
      this.models.fetch();
    }

    /** Fields are made here, not by React, which would fight over what is typed into them. */
    fields() {
      const s = this.state, text = (this.text = $("live-text"));
      const input = (id, box, label, key) => {
        const node = el("input", { id, class: "hs-field", type: "text", autocomplete: "off", spellcheck: "false", placeholder: label, value: s[key] });
        node.addEventListener("input", () => { s[key] = node.value; if (key === "target") s.position = null; this.ask(performance.now()); });
        $(box).replaceChildren(node);
        return node;
      };
      this.models = new hs.live.Models(this);
      this.target = input("live-target", "live-target-box", "model’s own first choice", "target");
      this.foil = input("live-foil", "live-foil-box", "none", "foil");
      text.value = s.text;
      text.addEventListener("input", () => { s.text = text.value; s.position = null; this.grow(); this.ask(performance.now()); });
      $("live-link").addEventListener("click", () => this.copyLink());
      this.grow();
    }

    grow() {
      this.text.style.height = "auto";
      this.text.style.height = `${Math.min(this.text.scrollHeight + 2, 260)}px`;
    }

    /** Something changed: ask for a new answer once typing pauses. `since` is when the key was pressed. */
    ask(since, delay = DEBOUNCE) {
      this.link();
      clearTimeout(this.timer);
      clearTimeout(this.rest);
      if (!this.state.text) return this.blank();
      if (this.result) this.root.classList.add("stale");
      this.timer = setTimeout(() => this.send(since), delay);
      return undefined;
    }

    blank() {
      this.drop();
      this.result = null;
      this.root.classList.remove("stale", "full");
      $("live-save").disabled = true;
      $("live-timing").replaceChildren();
      const examples = EXAMPLES.map((text) => el("button", { type: "button", text, onclick: () => this.type(text) }));
      this.say("hint", "Type a few words, or start from one of these. Tokens, next-token candidates, what the answer rests on and every attention head follow as you type.",
        el("div", { class: "hs-live-examples" }, examples));
    }

    type(text) {
      this.state.text = this.text.value = text;
      this.grow();
      this.text.focus();
      this.ask(performance.now(), 0);
    }

    drop() {
      clearTimeout(this.patience);
      clearTimeout(this.rest);
      if (this.flight) this.flight.abort();
      this.flight = null;
      this.sequence += 1;
      this.root.removeAttribute("aria-busy");
    }

    /** The next request: what was under way is dropped, here and by the server. */
    take() {
      this.drop();
      this.flight = new AbortController();
      return { sequence: this.sequence, signal: this.flight.signal };
    }

    body(sequence) {
      const s = this.state;
      return { model: s.model, text: s.text, target: s.position === null ? s.target : "", foil: s.foil, target_position: s.position, client: this.client, sequence };
    }

    /** First what a forward pass gives, drawn at once; then, when typing has come to rest, what the target rests on. */
    async send(since) {
      const { sequence, signal } = this.take();
      this.root.setAttribute("aria-busy", "true");
      const marks = { since, sent: performance.now() };
      this.patience = setTimeout(() => this.say("hint", `Still computing. The first look at a model takes longer: ${this.state.model} has to be loaded.`), SLOW);
      try {
        const response = await this.fetch("", this.body(sequence), signal);
        marks.headers = performance.now();
        if (response.status === 503) this.rest = setTimeout(() => this.send(since), BUSY);
        if (!response.ok) return this.refused(sequence, response.status, await response.json().catch(() => ({})));
        const buffer = await response.arrayBuffer();
        if (sequence !== this.sequence) return undefined;
        marks.received = performance.now();
        marks.server = timings(response.headers.get("Server-Timing"));
        this.show(hs.live.read(buffer), marks);
        this.rest = setTimeout(() => this.explaining.start(), REST);
      } catch (error) {
        if (error.name !== "AbortError" && sequence === this.sequence) this.refused(sequence, 0, { error: `${error.message}. Is the server still running?` });
      }
      return undefined;
    }

    fetch(path, body, signal) {
      return fetch(API + path, { method: "POST", signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    }

    /** The answer of a request that follows the first, or an error fit for a user; waits while the server is busy. */
    async post(path, body, signal) {
      for (;;) {
        const response = await this.fetch(path, body, signal);
        if (response.ok) return response.json();
        if (response.status === 409) throw new DOMException("a newer request took its place", "AbortError");
        if (response.status !== 503) throw new Error(sentence((await response.json().catch(() => ({}))).error || `The server answered ${response.status}.`));
        await new Promise((resolve) => setTimeout(resolve, BUSY));
        signal.throwIfAborted();
      }
    }

    /** Something that follows the text on view: it stops the explanation, which goes on afterwards. */
    async aside(path, body) {
      const { sequence, signal } = this.take();
      try {
        return await this.post(path, { ...body, client: this.client, sequence }, signal);
      } finally {
        if (sequence === this.sequence && this.result && this.result.explained.pending) this.explaining.start();
      }
    }

    /** The last good result stays, dimmed; the reason stands under the text. */
    refused(sequence, status, answer) {
      if (sequence !== this.sequence || status === 409) return;
      clearTimeout(this.patience);
      this.root.removeAttribute("aria-busy");
      this.say("error", sentence(answer.error || `The server answered ${status}.`));
    }

    show(result, marks) {
      const parsed = performance.now();
      clearTimeout(this.patience);
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
        this.timing({ ...marks, parsed, drawn: performance.now() });
        this.root.dataset.drawn = String(this.sequence);
      });
    }

    /** What the content filter warns of, and spaces that are probably meant otherwise, each with what was meant. */
    advise({ caution, advice }) {
      const better = ({ field, likelier }) => el("button", { type: "button", class: "hs-button", "data-field": field, text: `Write “${likelier.length > 24 ? `…${likelier.slice(-20)}` : likelier}”`,
        onclick: () => { this.state[field] = this[field].value = likelier; this.ask(performance.now(), 0); } });
      this.say(caution || advice.length ? "caution" : "", caution, ...advice.map((one) => el("p", {}, [`${one.said} `, better(one)])));
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
      if (position === 0) return this.say("hint", "The first token has nothing before it, so the model never predicted it: there is nothing to explain.");
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
      const s = this.state, query = new URLSearchParams(), defaults = { view: "matrix", colour: "surprisal", unit: "bits", leave: "token", instead: "mean", temperature: 0, layer: 0, head: 0 };
      this.textInLink = s.text.length <= this.limits.link;
      for (const [key, value] of Object.entries(s)) {
        if (value === "" || value === null || value === defaults[key] || value === false || (key === "text" && !this.textInLink)) continue;
        query.set(key, value === true ? "1" : value);
      }
      hs.title("/live", s.text);
      clearTimeout(this.linking);
      const search = query.size ? `?${query.toString().replace(/\+/g, "%20")}` : "";
      this.linking = setTimeout(() => this.root.isConnected && hs.url.replace("/live", search), 150);
      $("live-link").title = this.textInLink ? "Copy a link to exactly this view" : `The text is longer than ${plural(this.limits.link, "character")}, so the link holds everything but the text`;
    }

    async copyLink() {
      const button = $("live-link").querySelector("span");
      try {
        await navigator.clipboard.writeText(location.href);
        button.textContent = this.textInLink ? "Copied" : "Copied, without the text";
      } catch {
        button.textContent = "Copy it from the address bar";
      }
      setTimeout(() => { button.textContent = "Copy link"; }, 2500);
    }

    timing(m) {
      const ms = (v) => `${Math.round(v)} ms`, model = m.server.model ?? 0;
      const waited = (m.server.engine ?? model) - model;
      const t = { model, waited, transfer: m.received - m.sent - model - waited, draw: m.drawn - m.received, total: m.drawn - m.since };
      this.root.dataset.timing = JSON.stringify(t);
      const part = (name, value, title) => el("span", { title }, [`${name} `, el("b", { text: ms(value) })]);
      $("live-timing").replaceChildren(
        part("model", t.model, "Forward pass, in the analysis process; what the target rests on follows when typing rests"),
        part("waiting", t.waited, "For a request before this one, for the model to load, and for the way to the analysis process and back"),
        part("transfer", t.transfer, "Request, encoding and the way back to this page"),
        part("draw", t.draw, "Reading the answer and drawing everything"),
        part("key to picture", t.total, `Everything, with the ${DEBOUNCE} ms pause that ends typing`),
        el("span", { class: "hs-live-private", text: "What you type stays in this page and in the analysis process’s memory." }));
    }
  }

  function timings(header) {
    return Object.fromEntries([...(header || "").matchAll(/(\w+);dur=([\d.]+)/g)].map(([, name, value]) => [name, Number(value)]));
  }

  const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}`;

  let current = null;
  clientside.headscope_live = {
    mount(boot) {
      if (current) { current.drop(); current.stop(); if (current.attention) current.attention.destroy(); }
      if (!boot || !$("live-root")) return clientside.no_update;
      current = hs.live.page = new Live(boot);
      return true;
    },
  };
  hs.live = Object.assign(hs.live || {}, { API, DEBOUNCE });
})();
