/* What is typed into a field within [data-typed=ID] goes to the store ID once typing pauses, unless the field is
   gone by then. Dash's own `debounce` reads its field after the page took it away. What a script puts into a field
   is not typed. */
(function () {
  "use strict";
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const PAUSE_MS = 250;
  const timers = new WeakMap();

  document.addEventListener("input", (event) => {
    const field = event.target, store = field.closest?.("[data-typed]")?.dataset.typed;
    if (!store) return;
    clearTimeout(timers.get(field));
    timers.set(
      field,
      setTimeout(() => field.isConnected && clientside.set_props(store, { data: field.value }), PAUSE_MS),
    );
  });
})();
