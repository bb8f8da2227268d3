/* The Compare page: every control writes into the link, and the link is taken apart into what each card depends on. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const { $ } = hs.dom;
  const PINNED = "headscope-reference";
  /* Output order of the callback: pair, facts, surprisal, scores, lens, attention, heads, across, summary. */
  const PARTS = [
    ["a", "b", "more"],
    ["a", "b", "all"],
    ["a", "b", "all", "unit"],
    ["a", "b", "all", "method", "scale"],
    ["a", "b"],
    ["a", "b", "la", "ha", "lb", "hb"],
    ["a", "b", "stat", "la", "ha", "lb", "hb"],
    ["a", "b", "more", "across", "method", "minus", "unit", "la", "ha"],
    ["a", "b", "more", "method"],
  ];
  const shown = () => $("compare-root");
  const now = () => new URLSearchParams(location.search);
  const pinned = () => hs.stored.get(PINNED);

  function go(query) {
    const text = query.toString();
    hs.url.replace("/compare", text ? `?${text}` : "");
  }

  /** Set keys of the link; an empty value removes the key. */
  function set(changes) {
    const query = now();
    for (const [key, value] of new URLSearchParams(changes)) {
      if (value === "") query.delete(key);
      else query.set(key, value);
    }
    go(query);
  }

  function split(search, ready, ...before) {
    if (!shown()) return before.map(() => clientside.no_update);
    const query = new URLSearchParams(search);
    if (!query.get("a") && pinned() && pinned() !== query.get("b")) {
      query.set("a", pinned());
      setTimeout(() => go(query), 0);
    }
    buttons(query);
    pictures();
    return PARTS.map((keys, i) => {
      const part = new URLSearchParams(keys.filter((key) => query.has(key)).map((key) => [key, query.get(key)]));
      const text = `?${part}`;
      return text === before[i] ? clientside.no_update : text;
    });
  }

  /** Pictures say which runs they compare. */
  function pictures() {
    for (const card of $("compare-cards").children) {
      hs.pictured[card.id] = (format) => {
        const runs = [...$("compare-pickers").querySelectorAll(".hs-pick-now")];
        card.dataset.caption = runs.map((run) => run.textContent.replace(/\s+/g, " ").trim().slice(0, 90)).join(" | ");
        return hs.picture(card, format);
      };
    }
  }

  function buttons(query) {
    const button = (id) => $(`compare-${id}`), both = query.get("a") && query.get("b");
    button("changed").setAttribute("aria-pressed", String(query.get("all") !== "1"));
    button("pin").setAttribute("aria-pressed", String(Boolean(query.get("a")) && pinned() === query.get("a")));
    button("pin").disabled = !query.get("a");
    button("swap").disabled = !both;
    $("compare-cards").hidden = !both;
  }

  /** A head chosen on a map: that side's, or both where B follows A. `shaped`: both models have the same heads. */
  function pickHead(side, layer, head, shaped) {
    const query = now(), apart = query.has("lb") || query.has("hb") || !shaped;
    set(side === "b" && apart ? `lb=${layer}&hb=${head}` : `la=${layer}&ha=${head}`);
  }

  function step(name, by) {
    const field = $(`compare-param-${name}`);
    if (!shown() || !field) return false;
    const size = field.options.length;
    const other = $(`compare-param-${name === "la" ? "ha" : "la"}`);
    set(`${other.id.slice(-2)}=${other.value}&${name}=${(Number(field.value) + by + size) % size}`);
    return true;
  }

  function swap() {
    const query = now(), pairs = [["a", "b"], ["la", "lb"], ["ha", "hb"]];
    const apart = query.has("lb") || query.has("hb");
    for (const [one, other] of apart ? pairs : pairs.slice(0, 1)) {
      const [x, y] = [query.get(one), query.get(other)];
      if (y === null) query.delete(one); else query.set(one, y);
      if (x === null) query.delete(other); else query.set(other, x);
    }
    go(query);
  }

  function pin() {
    const id = now().get("a");
    hs.stored.set(PINNED, pinned() === id ? "" : id);
    buttons(now());
  }

  const actions = {
    "compare-swap": swap,
    "compare-pin": pin,
    "compare-changed": () => set(now().get("all") === "1" ? "all=" : "all=1"),
  };

  document.addEventListener("click", (event) => {
    if (!shown()) return;
    const target = event.target.closest("button, [data-compare-set]"), open = event.target.closest("details.hs-pick");
    document
      .querySelectorAll("details.hs-pick[open]")
      .forEach((panel) => panel !== open && panel.removeAttribute("open"));
    if (!target) return;
    if (target.dataset.compareSet) {
      if (open) open.removeAttribute("open");
      set(target.dataset.compareSet);
    } else if (actions[target.id]) actions[target.id]();
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("details.hs-pick[open]")) event.target.querySelector("input")?.focus();
  }, true);
  document.addEventListener("keydown", (event) => {
    const panel = event.target.closest?.("details.hs-pick[open]");
    if (!panel) return;
    const runs = [...panel.querySelectorAll(".hs-pick-run")], at = runs.indexOf(document.activeElement);
    if (event.key === "Escape") { panel.removeAttribute("open"); panel.querySelector("summary").focus(); }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      (runs[at + (event.key === "ArrowDown" ? 1 : -1)] || panel.querySelector("input")).focus();
    }
  });
  document.addEventListener("change", (event) => {
    const name = event.target.id?.match(/^compare-param-(\w+)$/)?.[1];
    if (!name || !shown()) return;
    const partner = { la: "ha", ha: "la", lb: "hb", hb: "lb" }[name];
    const other = partner && $(`compare-param-${partner}`);
    set(`${name}=${event.target.value}${other ? `&${partner}=${other.value}` : ""}`);
  });
  const keys = { "[": ["la", -1], "]": ["la", 1], ",": ["ha", -1], ".": ["ha", 1] };
  for (const [key, [name, by]] of Object.entries(keys)) hs.keys.add(key, () => step(name, by));

  clientside.headscope_compare = { split };
  hs.compare = { pickHead };
})();
