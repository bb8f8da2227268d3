/* headscope.run.ExplainsMenu: a menu of what the attributions may explain; a stored run is opened, another one is
   computed. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, quoted } = hs.dom;
  const SAME = "Target minus foil is the same number in log-probabilities and in logits.";

  class ExplainsMenu {
    constructor(page) {
      this.page = page;
      this.url = `/api/v1/runs/${page.view.id}/explained`;
      this.quantity = page.view.explains.quantity;
      this.list = el("div", {}, [el("p", { class: "hs-muted", text: "Looking …" })]);
      this.measure = hs.switches.switcher(
        "Quantity",
        [["logprob", "Log-probability"], ["logit", "Logit"]],
        (quantity) => {
          this.quantity = quantity;
          this.show();
        },
      );
      this.measure.root.hidden = true; // until the choices are there: what is under the pointer stays there
      this.measure.root.addEventListener("click", (event) => event.stopPropagation()); // the menu stays open
      this.status = el("span", { class: "hs-muted hs-explains-status", role: "status" });
      const menu = el("details", { class: "hs-menu" }, [
        el("summary", { class: "hs-button", title: "What the attributions explain" }, [
          `Explains ${this.now()}`,
          el("i", { class: "bi bi-chevron-down", "aria-hidden": "true" }),
        ]),
        el("div", { class: "hs-menu-list" }, [this.measure.root, this.list]),
      ]);
      menu.addEventListener("toggle", () => menu.open && this.fill());
      this.root = el("span", { class: "hs-explains" }, [this.status, menu]);
    }

    now() {
      const { target, explains } = this.page.view, foil = target.foil_text;
      if (explains.explain === "continuation") return "every generated token";
      const name = explains.quantity === "logit" ? "logit of " : explains.explain === "target" ? "all of " : "";
      return `${name}${quoted(target.text, 14)}${foil === null ? "" : ` − ${quoted(foil, 14)}`}`;
    }

    async fill() {
      try {
        this.found = await hs.request.json(this.url);
        this.show();
      } catch (error) { this.list.replaceChildren(el("p", { text: error.message })); }
    }

    /** The choices of the quantity below their headings, as soon as they are known. */
    show() {
      this.measure.set(this.quantity);
      if (!this.found) return;
      this.measure.root.hidden = false;
      const { computes, choices } = this.found, shown = choices.filter((one) => one.quantity === this.quantity);
      const groups = [...new Set(shown.map((one) => one.group))];
      const items = (group) => shown.filter((one) => one.group === group).map((one) => this.item(one, computes));
      this.list.replaceChildren(
        ...groups.flatMap((group) => [
          ...(group ? [el("p", { class: "hs-menu-title", text: group })] : []),
          ...items(group),
        ]),
        ...(this.quantity === "logit" ? [el("p", { class: "hs-muted", text: SAME })] : []),
      );
    }

    item(choice, computes) {
      const label = choice.explain === "target" ? `all of ${choice.label}` : choice.label;
      if (choice.current)
        return el("button", { type: "button", disabled: true, "aria-current": "true" }, [
          label,
          el("small", { text: "this run" }),
        ]);
      if (choice.run)
        return el("a", { href: `/run${this.query(choice.run)}` }, [label, el("small", { text: "stored" })]);
      const title = computes
        ? "Computes the same analyses for this quantity and stores the run"
        : "This server computes nothing; use headscope run";
      return el("button", { type: "button", disabled: !computes, title, onclick: () => this.compute(choice) }, [
        label,
        el("small", { text: "compute" }),
      ]);
    }

    /** The same view of another run; the selected position means the same, its method may not. */
    query(id) {
      const query = new URLSearchParams(this.page.query());
      query.set("id", id);
      return `?${query}`;
    }

    async compute({ target, foil, quantity, explain }) {
      this.say("Handing over …");
      try {
        const asked = hs.request.posted({ target, foil, quantity, explain });
        const { job } = await hs.request.json(this.url, asked);
        const id = await hs.request.stored(job, (text) => this.say(text), "Computing …", () => this.page.alive());
        if (id !== null) hs.url.push(`/run${this.query(id)}`);
      } catch (error) { this.say(`Not computed: ${error.message}`); }
    }

    say(text) { this.status.textContent = text; }
  }

  run.ExplainsMenu = ExplainsMenu;
})();
