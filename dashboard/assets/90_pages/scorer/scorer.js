/* The Scorer audit page: the typed text goes to its callback at a click or Ctrl+Enter, and into no address. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const client = Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join("");
  let sequence = 0;

  function ask() {
    const text = hs.dom.$("scorer-text").value;
    window.dash_clientside.set_props("scorer-asked", { data: { text, client, sequence: ++sequence } });
  }

  document.addEventListener("click", (event) => event.target.closest?.("#scorer-score") && ask());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target.id !== "scorer-text") return;
    event.preventDefault();
    ask();
  });
})();
