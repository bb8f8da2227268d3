/* headscope.why.Why: interventions on a prompt of the Why page. They stand in the link; each change of them asks the
   server for the answer before and after. codes.js says what they are called, form.js makes them, answer.js and
   parts.js draw, files.js saves. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const why = (hs.why = hs.why || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const { $ } = hs.dom;
  const API = "/api/v1/interventions", PATH = "/patching", SLOW = 1500, BUSY = 3000, MOST_UNDO = 100;
  const PROMPTS = ["clean", "corrupted", "target", "foil", "model", "component"], CELL = ["layer", "position"];
  const PLAIN = [[/\+/g, "%20"], [/%3A/g, ":"], [/%2C/g, ","], [/%40/g, "@"]]; // what a link need not escape
  const USUAL = { component: "residual" }; // a form sends what nobody chose, too: it is the same link
  const POINTS = { residual: "residual", attention: "attention", mlp: "mlp" };

  const readable = (query) => PLAIN.reduce((text, [from, to]) => text.replace(from, to), query.toString());

  class Why {
    constructor(boot) {
      const query = new URLSearchParams(location.search);
      this.boot = boot;
      this.made = (query.get("do") || "").split(",").filter(Boolean);
      this.on = boot.corrupted && query.get("on") === "corrupted" ? "corrupted" : "clean";
      this.past = this.made.map((_, i) => ({ made: this.made.slice(0, i), on: this.on }));
      this.client = Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join("");
      this.sequence = 0;
      this.answer = null;
      this.root = $("patching-live");
      this.form = new why.Form(this);
      this.view = new why.Answer(this);
      this.parts = new why.Parts(this, $("patching-bars"));
      this.save = new why.Save(this);
      this.root.replaceChildren(this.form.root, this.view.root, this.save.root);
      why.files.offer(this);
      this.stops = [
        hs.keys.add("u", () => this.undo()),
        hs.color.onTheme(() => this.parts.draw()),
        hs.dom.gone(this.root, () => this.leave()),
      ];
      this.begin();
    }

    get text() { return this.boot[this.on]; }
    get source() { return this.boot[this.on === "clean" ? "corrupted" : "clean"]; }
    get tokens() { return this.answer ? this.answer.tokens : []; }

    /** Ask, or say why there is nothing to ask. */
    begin() {
      const { boot } = this;
      this.form.draw();
      this.save.draw();
      this.form.root.hidden = !(boot.computes && boot.clean && boot.model);
      this.parts.card.hidden = this.form.root.hidden;
      if (!boot.computes)
        return this.view.say("hint", "This server shows stored results and computes nothing. Start one with “headscope "
          + "serve” to change what the model does.");
      if (!boot.clean) return this.view.say("hint", "Write a prompt above: one is enough here.");
      if (!boot.model)
        return this.view.say("hint", "No model is on this machine yet. “headscope models pull smollm2-135m-instruct” "
          + "makes the small one ready that comes with Headscope; then load this page again.");
      return this.ask();
    }

    /** Other interventions, or the other prompt to make them in. */
    change(made, on = this.on) {
      this.past = [...this.past, { made: this.made, on: this.on }].slice(-MOST_UNDO);
      this.become(made, on);
    }

    become(made, on) {
      if (on !== this.on) this.answer = this.parts.found = null;
      Object.assign(this, { made, on });
      why.files.show(this);
      const query = new URLSearchParams(location.search);
      for (const [key, value] of [["do", made.join(",")], ["on", on === "clean" ? "" : on]])
        if (value) query.set(key, value);
        else query.delete(key);
      const search = readable(query);
      hs.url.replace(PATH, search && `?${search}`);
      this.form.draw();
      this.save.draw();
      this.ask();
    }

    add(code) { this.change([...this.made, code]); }
    remove(index) { this.change(this.made.filter((_, i) => i !== index)); }

    /** A part that is off is put on again. */
    toggle(code) {
      const at = this.made.indexOf(code);
      if (at < 0) this.add(code);
      else this.remove(at);
    }

    undo() {
      const last = this.past.pop();
      if (last) this.become(last.made, last.on);
      return Boolean(last);
    }

    body() {
      const { model, target, foil } = this.boot;
      return {
        model, target, foil, text: this.text, source: this.source, interventions: this.made,
        parts: this.parts.found === null, client: this.client, sequence: this.sequence,
      };
    }

    async ask() {
      this.drop();
      const sequence = ++this.sequence;
      this.flight = new AbortController();
      this.root.setAttribute("aria-busy", "true");
      if (!this.parts.found) this.parts.draw();
      this.patience = setTimeout(() => this.view.say("hint", `Still computing. The first look at a model takes longer: `
        + `${this.boot.model} has to be loaded.`), SLOW);
      try {
        const answer = await this.post(this.body(), this.flight.signal);
        if (sequence === this.sequence) this.show(answer);
      } catch (error) {
        if (sequence === this.sequence && error.name !== "AbortError") this.refused(error.message);
      }
    }

    drop() {
      clearTimeout(this.patience);
      if (this.flight) this.flight.abort();
    }

    /** Waits while the server is busy. */
    async post(body, signal) {
      for (;;) {
        const response = await fetch(API, hs.request.posted(body, signal));
        if (response.ok) return response.json();
        if (response.status === 409) throw new DOMException("a newer request took its place", "AbortError");
        if (response.status !== 503) throw new Error(await hs.request.reason(response));
        await hs.request.pause(BUSY);
        signal.throwIfAborted();
      }
    }

    show(answer) {
      this.drop();
      const first = this.answer === null;
      this.answer = answer;
      this.root.removeAttribute("aria-busy");
      if (first) this.form.draw(); // with its layers, heads and tokens; afterwards it is left to whoever fills it in
      this.view.draw(answer);
      if (answer.parts || answer.no_parts) this.parts.keep(answer);
      this.parts.draw();
      why.files.show(this);
      this.root.dataset.shown = this.made.join(",");
    }

    /** The last good answer stays, dimmed; the reason stands above it. */
    refused(reason) {
      this.drop();
      this.root.removeAttribute("aria-busy");
      this.view.refuse(reason);
      this.parts.missing = "Not measured: the model gave no answer, for the reason above.";
      if (!this.parts.found) this.parts.draw();
    }

    leave() {
      this.drop();
      this.sequence += 1;
      this.stops.splice(0).forEach((stop) => stop());
    }
  }

  why.API = API;
  let current = null;

  /** Of the link what the form and the map are made of; a cell of the map is offered to be patched. */
  function split(search, path, ...before) {
    if (path.replace(/(.)\/+$/, "$1") !== PATH) return before.map(() => clientside.no_update);
    const query = new URLSearchParams(search || "");
    const parts = [PROMPTS, [...PROMPTS, ...CELL]].map((keys) =>
      hs.url.query(Object.fromEntries(keys.map((key) => [key, query.get(key)])), USUAL).toString());
    if (parts[0] === before[0] && parts[1] !== before[1] && query.has("position") && current?.root.isConnected)
      setTimeout(() => current.form.offer(POINTS[query.get("component") || "residual"], query.get("layer"),
        query.get("position")), 0); // it may change the link, which is being read
    return parts.map((part, i) => (part === before[i] ? clientside.no_update : part));
  }

  /** A clicked cell of the map goes into the link. */
  function choose(click) {
    const point = click?.points?.[0], query = new URLSearchParams(location.search);
    if (point) {
      query.set("layer", String(Math.round(point.y)));
      query.set("position", String(Math.round(point.x)));
      hs.url.replace(PATH, `?${readable(query)}`);
    }
    return clientside.no_update;
  }

  /** The prompts are another page's concern once it was left: its scripts stop. */
  function mount(boot) {
    const root = $("patching-live"), key = JSON.stringify(boot);
    if (!boot || !root || (current && current.root === root && JSON.stringify(current.boot) === key))
      return clientside.no_update;
    if (current) current.leave();
    current = why.page = new Why(boot);
    return true;
  }

  /** The form sends the prompts; interventions go with them. */
  document.addEventListener("formdata", (event) => {
    if (!event.target.matches(".hs-patching-form") || !current || !current.root.isConnected) return;
    if (current.made.length) event.formData.set("do", current.made.join(","));
    if (current.on !== "clean") event.formData.set("on", current.on);
  });

  clientside.headscope_why = { split, mount, choose };
})();
