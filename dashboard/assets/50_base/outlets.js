/* What leaves the page: text copied by [data-copy], cards saved as pictures by [data-picture] (dashboard/cards.py).
   headscope.pictured[card] = (format) => Promise<Blob>: how a card makes its picture where that is neither its Plotly
   figure nor all of it. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const SAID_MS = 1500, KEPT_MS = 5000;
  hs.pictured = {};

  async function copy(button) {
    const text = button.dataset.copy, label = button.querySelector("span");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    if (!label) return;
    const before = label.textContent;
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = before; }, SAID_MS);
  }

  function save(blob, name) {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
  }

  /** The contents of a data: URL; fetch would be stopped by the page's own policy. */
  function blobOf(url) {
    const [head, body] = [url.slice(5, url.indexOf(",")), url.slice(url.indexOf(",") + 1)];
    const bytes = head.endsWith(";base64") ? hs.tensors.bytes(body) : decodeURIComponent(body);
    return new Blob([bytes], { type: head.split(/[;,]/)[0] });
  }

  async function picture(button) {
    const { picture: format, card } = button.dataset, frame = document.getElementById(card);
    const plot = frame.querySelector(".js-plotly-plot");
    if (hs.pictured[card]) save(await hs.pictured[card](format), `${card}.${format}`);
    else if (plot) {
      const url = await window.Plotly.toImage(plot, { format, scale: format === "png" ? 2 : 1 });
      save(blobOf(url), `${card}.${format}`);
    } else save(await hs.picture(frame, format), `${card}.${format}`);
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("button, a, summary");
    if (target?.dataset.copy !== undefined) copy(target);
    if (target?.dataset.picture) picture(target);
  });
})();
