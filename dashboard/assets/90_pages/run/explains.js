/* headscope.run.ExplainsMenu: a menu of what the attributions may explain; a stored run is opened, another one is
   computed. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, quoted } = hs.dom;

  class ExplainsMenu {
    constructor(page) {
      const { text, foil_text: foil } = page.view.target;
      this.page = page;
      this.url = `/api/v1/runs/${page.view.id}/explained`;
      this.list = el("div", { class: "hs-menu-list" }, [el("p", { class: "hs-muted", text: "Looking …" })]);
      this.root = el("details", { class: "hs-menu hs-explains" }, [
        el("summary", { class: "hs-button", title: "What the attributions explain" }, [
          `Explains ${quoted(text, 14)}${foil === null ? "" : ` − ${quoted(foil, 14)}`}`,
          el("i", { class: "bi bi-chevron-down", "aria-hidden": "true" }),
        ]),
        this.list,
      ]);
      this.root.addEventListener("toggle", () => this.root.open && this.fill());
    }

    async fill() {
      try {
        const { computes, choices } = await hs.request.json(this.url);
        this.list.replaceChildren(...choices.map((choice) => this.item(choice, computes)));
      } catch (error) { this.say(error.message); }
    }

    item(choice, computes) {
      if (choice.current)
        return el("button", { type: "button", disabled: true, "aria-current": "true" }, [
          choice.label,
          el("small", { text: "this run" }),
        ]);
      if (choice.run)
        return el("a", { href: `/run${this.query(choice.run)}` }, [choice.label, el("small", { text: "stored" })]);
      const title = computes
        ? "Computes the same analyses for this quantity and stores the run"
        : "This server computes nothing; use headscope run";
      return el("button", { type: "button", disabled: !computes, title, onclick: () => this.compute(choice) }, [
        choice.label,
        el("small", { text: "compute" }),
      ]);
    }

    /** The same view of another run; the selected position means the same, its method may not. */
    query(id) {
      const query = new URLSearchParams(this.page.query());
      query.set("id", id);
      return `?${query}`;
    }

    async compute({ target, foil }) {
      this.say("Handing over …");
      try {
        const { job } = await hs.request.json(this.url, hs.request.posted({ target, foil }));
        const id = await hs.request.stored(job, (text) => this.say(text), "Computing …", () => this.page.alive());
        if (id !== null) hs.url.push(`/run${this.query(id)}`);
      } catch (error) { this.say(`Not computed: ${error.message}`); }
    }

    say(text) { this.list.replaceChildren(el("p", { role: "status", text })); }
  }

  run.ExplainsMenu = ExplainsMenu;
})();
