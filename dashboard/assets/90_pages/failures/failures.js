/* The Failures page: j k walk the cases, y x u judge the one you are on, n notes, Enter opens its run. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const ICONS = { open: "circle", confirmed: "check-circle-fill", dismissed: "slash-circle" };
  const KEYS = { y: "confirmed", x: "dismissed", u: "open" };

  const cases = () => [...document.querySelectorAll(".hs-failures .hs-case")];
  const here = () => cases().find((item) => item.getAttribute("aria-current") === "true");

  function go(by) {
    const all = cases();
    if (!all.length) return false;
    const at = all.indexOf(here());
    const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))];
    all.forEach((item) => item.toggleAttribute("aria-current", false));
    next.setAttribute("aria-current", "true");
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  async function send(item, status, note) {
    const badge = item.querySelector("[data-triage-status]"), said = item.querySelector(".hs-case-said");
    const body = { run_id: item.dataset.run, detector: item.dataset.detector, status, note };
    item.setAttribute("aria-busy", "true");
    try {
      const answer = await hs.request.json("/api/v1/failures/triage", hs.request.posted(body));
      badge.dataset.triageStatus = answer.status;
      badge.className = `hs-triage hs-${answer.status}`;
      badge.replaceChildren(hs.dom.el("i", { class: `bi bi-${ICONS[answer.status]}` }), " ", answer.status);
      item.querySelector('[data-triage="note"]').dataset.note = answer.note;
      said.textContent = answer.note ? `${answer.who}: ${answer.note}` : "";
    } catch (error) {
      said.textContent = `Not saved: ${error.message}`;
    } finally {
      item.removeAttribute("aria-busy");
    }
  }

  function judge(item, what) {
    const note = item.querySelector('[data-triage="note"]').dataset.note || "";
    if (what !== "note") return send(item, what, note);
    const written = window.prompt("A note on this failure", note);
    if (written !== null) send(item, item.querySelector("[data-triage-status]").dataset.triageStatus, written);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".hs-case [data-triage]");
    if (button) judge(button.closest(".hs-case"), button.dataset.triage);
  });

  function pressed(key, status) {
    if (!here()) return false;
    judge(here(), status);
    if (status !== "note" && key !== "u") go(1);
    return true;
  }

  function open() {
    if (!here() || document.activeElement !== here()) return false;
    hs.url.push(here().dataset.href);
    return true;
  }

  hs.keys.add("j", () => go(1));
  hs.keys.add("k", () => go(-1));
  for (const [key, status] of Object.entries({ ...KEYS, n: "note" })) hs.keys.add(key, () => pressed(key, status));
  hs.keys.add("Enter", open);
})();
