/* headscope.covered: uncovers offensive texts. One in a list by its button; a run on its page ([data-reveal]: the page
   comes again); all of them by the switch of the shell or any [data-offensive-switch]. The choice is this viewer's and
   lies in cookies, which dashboard/covered.py reads: the switch's for a year, the runs' until the browser is closed. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const root = document.documentElement;
  const SWITCH = "headscope-offensive", REVEALED = "headscope-revealed", ON = "hs-offensive";
  const SWITCHES = "#shell-offensive, [data-offensive-switch]";
  const MOST = 60, YEAR = 31536000;

  const read = (name) =>
    document.cookie.split("; ").find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1) || "";
  const write = (name, value, age) => {
    const lasts = value ? age : "; max-age=0";
    document.cookie = `${name}=${value}; path=/; SameSite=Strict${lasts}`;
  };
  const shown = () => root.classList.contains(ON);

  function mark() {
    document.querySelectorAll(SWITCHES).forEach((node) => {
      const now = String(shown());
      if (node.getAttribute("aria-pressed") !== now) node.setAttribute("aria-pressed", now);
    });
  }

  function flip() {
    root.classList.toggle(ON);
    write(SWITCH, shown() ? "shown" : "", `; max-age=${YEAR}`);
    mark();
    if (document.querySelector("[data-reveal]")) hs.again();
    return true;
  }

  /** A covered text, in place. */
  function turn(button) {
    const open = button.closest(".hs-cover").classList.toggle("hs-on"),
      said = open ? "Cover the text" : "Show the covered text";
    button.setAttribute("aria-expanded", String(open));
    button.setAttribute("aria-label", said);
    button.title = said;
    button.firstElementChild.className = `bi bi-${open ? "eye-slash" : "eye"}`;
  }

  /** Runs of a page that draws tokens: the server left their words out, so the page comes again. */
  function reveal(button) {
    const ids = button.dataset.reveal.split(" "), open = button.getAttribute("aria-expanded") === "true";
    const kept = read(REVEALED).split(".").filter((id) => id && !ids.includes(id));
    write(REVEALED, [...kept, ...(open ? [] : ids)].slice(-MOST).join("."), "");
    const old = new Set(document.querySelectorAll("[data-reveal]"));
    hs.again();
    const watch = new MutationObserver(() => {
      const fresh = [...document.querySelectorAll("[data-reveal]")].find((node) => !old.has(node));
      if (!fresh) return;
      watch.disconnect();
      fresh.focus({ preventScroll: true });
    });
    watch.observe(hs.dom.$("shell-page"), { childList: true, subtree: true });
  }

  /* Before anybody else: a button in a row that opens something must not open it. */
  document.addEventListener("click", (event) => {
    const [one, run, all] = [".hs-cover-button", "[data-reveal]", SWITCHES].map((kind) => event.target.closest?.(kind));
    if (!(one || run || all)) return;
    event.preventDefault();
    event.stopPropagation();
    if (one) turn(one);
    else if (run) reveal(run);
    else flip();
  }, true);
  document.addEventListener("toggle", mark, true); // a menu opens that may hold a switch
  (function whenThere() {
    if (hs.dom.$("shell-offensive")) mark();
    else setTimeout(whenThere, 30);
  })();
  hs.keys.add("o", flip);

  /** What stands on the cover of a text, as dashboard/covered.py writes it. */
  const label = (text, why) =>
    `covered: ${hs.dom.plural(text.trim().split(/\s+/).filter(Boolean).length, "word")} · ${why}`;

  /** The element of a grid's cell (React): content below a cover that says `label`; `link` may wrap both. */
  const h = (...args) => window.React.createElement(...args);
  function cell(label, content, link = (sides) => sides) {
    const sides = [
      h("span", { key: "label", className: "hs-cover-label" }, label),
      h("span", { key: "text", className: "hs-cover-text" }, content),
    ];
    const said = "Show the covered text";
    return h(
      "span",
      { className: "hs-cover" },
      link(sides),
      h(
        "button",
        { key: "button", type: "button", className: "hs-cover-button", title: said, "aria-label": said,
          "aria-expanded": "false" },
        h("i", { className: "bi bi-eye", "aria-hidden": true }),
      ),
    );
  }
  hs.covered = { label, cell };
})();
