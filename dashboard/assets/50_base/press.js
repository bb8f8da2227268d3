/* A control that is drawn anew between press and release is pressed all the same: the browser would drop the click. */
(function () {
  "use strict";
  const CONTROLS = "button, a[href], [role=button], [data-compare-set]";
  let pressed = null;
  const same = (one, other) =>
    one.tagName === other.tagName
    && one.id === other.id
    && one.textContent === other.textContent
    && one.getAttribute("href") === other.getAttribute("href")
    && JSON.stringify(one.dataset) === JSON.stringify(other.dataset);

  document.addEventListener(
    "pointerdown",
    (event) => {
      pressed = event.button ? null : event.target.closest(CONTROLS);
    },
    true,
  );
  document.addEventListener("pointerup", (event) => {
    const gone = pressed && !pressed.isConnected ? pressed : null;
    pressed = null;
    const now = gone && document.elementFromPoint(event.clientX, event.clientY)?.closest(CONTROLS);
    if (now && same(now, gone)) now.click();
  }, true);
})();
