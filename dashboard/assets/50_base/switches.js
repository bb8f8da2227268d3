/* headscope.switches: choices as rows of buttons or as menus, and the legend of a colour scale, the same on every
   page. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const { el, number } = hs.dom;
  const MOST_BUTTONS = 6;

  /** Buttons of which one is pressed: {root, set(value)}. choices: [[value, text, title]]. */
  function switcher(name, choices, change) {
    const buttons = choices.map(([value, text, title]) => el("button", {
      type: "button", "data-value": value, title, text, onclick: () => change(value),
    }));
    const set = (now) =>
      buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.value === String(now))));
    return { root: el("div", { class: "hs-switch", role: "group", "aria-label": name }, buttons), set };
  }

  /** A menu: {root, set(value)}. */
  function select(name, choices, change) {
    const options = choices.map(([value, text]) => el("option", { value, text }));
    const root = el("select", { class: "hs-select", "aria-label": name, onchange: () => change(root.value) }, options);
    const set = (now) => options.forEach((option) => { option.selected = option.value === String(now); });
    return { root, set };
  }

  /** Buttons, or a menu when there are many, with `now` chosen. */
  function choose(name, choices, now, change) {
    const made = (choices.length > MOST_BUTTONS ? select : switcher)(name, choices, change);
    made.set(now);
    return made.root;
  }

  /** A menu whatever the number of choices. */
  function menu(name, choices, now, change) {
    const made = select(name, choices, change);
    made.set(now);
    return made.root;
  }

  /** Put new controls where the old ones were; the one that had the keyboard keeps it. */
  function renew(box, nodes) {
    const kind = "button, select", now = document.activeElement;
    const own = (node) => [node.closest("[aria-label]")?.getAttribute("aria-label"), node.dataset.value].join(": ");
    const held = box.contains(now) && now.matches(kind) ? own(now) : null;
    box.replaceChildren(...nodes);
    if (held === null) return;
    [...box.querySelectorAll(kind)].find((node) => own(node) === held)?.focus({ preventScroll: true });
  }

  /** A button that is pressed or not. */
  const toggle = (text, title, now, change) => el("button", {
    type: "button", class: "hs-toggle", title, "aria-pressed": String(now), text, onclick: () => change(!now),
  });

  /** Name, lowest value, colours, highest value. */
  const legend = (kind, name, low, high, signed) => el("div", { class: kind }, [
    name, el("span", { class: "hs-num", text: low }), el("i", { style: `background:${hs.color.gradient(signed)}` }),
    el("span", { class: "hs-num", text: high }),
  ]);

  /** The lower end of a scale that reaches to `top`. */
  const lowEnd = (top, signed, digits) => (signed ? `−${number(top, digits)}` : "0");

  hs.switches = { switcher, select, choose, menu, renew, toggle, legend, lowEnd };
})();
