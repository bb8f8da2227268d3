/* The Failures page: j k walk the cases, y x u judge the one you are on, n notes, e tags, Enter opens its run. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const ICONS = { open: "circle", confirmed: "check-circle-fill", dismissed: "slash-circle" };
  const KEYS = { y: "confirmed", x: "dismissed", u: "open", n: "note", e: "tags" };

  const cases = () => [...document.querySelectorAll(".hs-failures .hs-case")];
  const here = () => cases().find((item) => item.getAttribute("aria-current") === "true");

  function go(by) {
    const all = cases();
    if (!all.length) return false;
    const at = all.indexOf(here());
    const to = Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by)), next = all[to];
    all.forEach((item) => item.toggleAttribute("aria-current", false));
    next.setAttribute("aria-current", "true");
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    hs.failuresWhy.arrived(next, all[to + 1]);
    return true;
  }

  /** What is known of a case, as the server takes it. */
  function judgement(item) {
    return {
      run_id: item.dataset.run,
      detector: item.dataset.detector,
      status: item.querySelector("[data-triage-status]").dataset.triageStatus,
      note: item.querySelector('[data-triage="note"]').dataset.note || "",
      tags: JSON.parse(item.querySelector('[data-triage="tags"]').dataset.tags || "[]"),
    };
  }

  function tagLink(tag) {
    const search = new URLSearchParams(location.search);
    search.delete("page");
    search.set("triage_tag", tag);
    return hs.dom.el("a", { class: "hs-case-tag", href: `${location.pathname}?${search}`, text: `#${tag}` });
  }

  function show(item, answer) {
    const badge = item.querySelector("[data-triage-status]"), said = item.querySelector(".hs-case-said");
    badge.dataset.triageStatus = answer.status;
    badge.className = `hs-triage hs-${answer.status}`;
    badge.replaceChildren(hs.dom.el("i", { class: `bi bi-${ICONS[answer.status]}` }), " ", answer.status);
    item.querySelector('[data-triage="note"]').dataset.note = answer.note;
    item.querySelector('[data-triage="tags"]').dataset.tags = JSON.stringify(answer.tags);
    item.querySelector(".hs-case-tags").replaceChildren(...answer.tags.map(tagLink));
    said.textContent = `${answer.who}, just now${answer.note ? `: ${answer.note}` : ""}`;
  }

  async function send(item, change) {
    item.setAttribute("aria-busy", "true");
    try {
      const body = { ...judgement(item), ...change };
      show(item, await hs.request.json("/api/v1/failures/triage", hs.request.posted(body)));
    } catch (error) {
      item.querySelector(".hs-case-said").textContent = `Not saved: ${error.message}`;
    } finally {
      item.removeAttribute("aria-busy");
    }
  }

  /** A field below the case; Enter keeps what is written, Escape does not. */
  function ask(item, what) {
    item.querySelector(".hs-case-ask")?.remove();
    const known = judgement(item), isNote = what === "note";
    const field = hs.dom.el("input", {
      type: "text", class: "hs-case-ask form-control", maxlength: isNote ? "2000" : "1300",
      "aria-label": isNote ? "A note on this failure" : "Tags of this failure, separated by commas",
      placeholder: isNote ? "A note; Enter keeps it, Escape does not" : "Tags, separated by commas; Enter keeps them",
    });
    field.value = isNote ? known.note : known.tags.join(", ");
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      const written = field.value.split(",").map((tag) => tag.trim()).filter(Boolean);
      field.remove();
      item.focus({ preventScroll: true });
      if (event.key === "Enter") send(item, isNote ? { note: field.value } : { tags: written });
    });
    item.querySelector("footer").after(field);
    field.focus();
  }

  const judge = (item, what) => (what in ICONS ? send(item, { status: what }) : ask(item, what));

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".hs-case [data-triage]");
    if (button) judge(button.closest(".hs-case"), button.dataset.triage);
  });

  function pressed(key, what) {
    if (!here()) return false;
    judge(here(), what);
    if (key === "y" || key === "x") go(1);
    return true;
  }

  function open() {
    if (!here() || document.activeElement !== here()) return false;
    hs.url.push(here().dataset.href);
    return true;
  }

  hs.keys.add("j", () => go(1));
  hs.keys.add("k", () => go(-1));
  hs.keys.add("w", () => Boolean(here()) && hs.failuresWhy.toggle(here()));
  for (const [key, what] of Object.entries(KEYS)) hs.keys.add(key, () => pressed(key, what));
  hs.keys.add("Enter", open);
})();
