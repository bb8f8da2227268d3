/* headscope.live.Models: which models there are, which of them the page may use, and which one is on its way. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const live = (hs.live = hs.live || {});
  const { $, el, plural } = hs.dom;
  const POLL = 500;
  const STORED = { store: "In the store, but not here to be loaded", api: "In the store, behind an API" };

  class Models {
    constructor(page) {
      this.page = page;
      this.menu = el("select", {
        id: "live-model",
        class: "hs-field",
        disabled: true,
        onchange: () => {
          page.state.model = this.menu.value;
          page.ask(performance.now(), 0);
        },
      });
      $("live-model-box").replaceChildren(this.menu);
    }

    async fetch() {
      const { page } = this;
      try {
        const answer = await hs.request.json(`${live.API}/models`);
        if (!page.root.isConnected) return undefined;
        if (!answer.computes)
          return page.say(
            "error",
            "This server shows stored results and computes nothing. Start one with “headscope serve” to type here.",
          );
        this.offer(answer);
        this.guard(answer.filter);
        this.watch(answer.loading);
      } catch (error) {
        if (!page.root.isConnected) return undefined;
        return page.say(
          "error",
          `The list of models could not be read: ${error.message}. Is the server still running?`,
        );
      }
      return page.ask(performance.now(), 0);
    }

    /** What the server's content filter does with texts typed here. */
    guard(rules) {
      const box = $("live-filter");
      box.hidden = !rules;
      box.textContent = rules ? `Content filter: ${rules}.` : "";
    }

    /** Fill the menu; the model of the link stays chosen even when it is unknown here, so that its error shows. */
    offer({ models, default: first }) {
      const state = this.page.state;
      const option = (m) =>
        el("option", {
          value: m.name,
          title: m.note,
          text: m.name + (m.ready ? "" : STORED[m.source] ? " (stored runs only)" : " (not on this machine)"),
        });
      const group = (name, list) => (list.length ? [el("optgroup", { label: name }, list.map(option))] : []);
      const missing = state.model && !models.some((m) => m.name === state.model);
      this.menu.replaceChildren(
        ...(missing ? [el("option", { value: state.model, text: state.model })] : []),
        ...group(
          "Ready",
          models.filter((m) => m.ready),
        ),
        ...group(
          "To be fetched first (headscope models pull)",
          models.filter((m) => !m.ready && !STORED[m.source]),
        ),
        ...Object.entries(STORED).flatMap(([source, name]) =>
          group(
            name,
            models.filter((m) => m.source === source),
          ),
        ),
      );
      if (!state.model) state.model = first;
      this.menu.value = state.model;
      this.menu.disabled = false;
      const stored = models.filter((m) => m.source === "store"),
        note = $("live-stored"); // one behind an API is not missed: nothing can be loaded of it
      note.hidden = !stored.length;
      note.textContent = stored.length
        ? `${plural(stored.length, "model")} of the store cannot be typed to here. ${stored[0].note}`
        : "";
    }

    /** Say that a model is on its way until it is there. */
    async watch(loading) {
      const box = $("live-loading");
      for (let name = loading; ; ) {
        box.hidden = !name;
        box.textContent = name
          ? `Loading ${name}: the server has just started. What you type is answered as soon as it is there.`
          : "";
        if (!name) return;
        await hs.request.pause(POLL);
        if (!box.isConnected) return;
        name = await hs.request.json(`${live.API}/loading`).then((answer) => answer.loading, () => name);
      }
    }
  }

  live.Models = Models;
})();
