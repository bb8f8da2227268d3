/* Why a case failed: its tokens with their scores over those of the nearest run that passed. While it is open, it opens
   on every case you come to; what the next case needs is fetched before. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const fetched = new WeakMap(); // case -> promise of what the server said
  let open = false;

  function get(item) {
    if (!fetched.has(item)) {
      const answer = hs.request.json(item.dataset.why);
      fetched.set(item, answer);
      answer.then(
        () => item.setAttribute("data-why-ready", ""),
        () => fetched.delete(item), // the next look asks again
      );
    }
    return fetched.get(item);
  }

  function token(text, score, largest) {
    if (score === null) return hs.dom.el("span", { class: "hs-part hs-part-open", title: "no score", text });
    const kind = score < 0 ? "hs-part hs-part-against" : "hs-part hs-part-for";
    const title = `${score < 0 ? "against" : "for"}, ${hs.dom.number(score, 3)}`;
    return hs.dom.el("span", { class: kind, title, "--t": String(largest ? Math.abs(score) / largest : 0), text });
  }

  /** The largest scores in words and numbers: colour is never alone. */
  function most(strip) {
    const known = strip.scores.map((score, i) => [score, i]).filter(([score]) => score !== null);
    known.sort(([a], [b]) => Math.abs(b) - Math.abs(a));
    const named = known.slice(0, 3).map(([score, i]) => {
      return `${hs.dom.quoted(strip.tokens[i], 20)} ${score > 0 ? "+" : ""}${hs.dom.number(score, 3)}`;
    });
    return named.join(" · ");
  }

  function strip(one) {
    const says = one.says ? `, says ${hs.dom.quoted(one.says, 20)}` : "";
    const head = hs.dom.el("p", {}, [hs.dom.el("a", { href: one.href, text: one.title }), says]);
    if (one.missing) return [head, hs.dom.el("p", { class: "hs-muted", text: one.missing })];
    const largest = Math.max(...one.scores.map((score) => Math.abs(score ?? 0)));
    const tokens = one.tokens.map((text, i) => token(text, one.scores[i], largest));
    const named = hs.dom.el("p", { class: "hs-muted", text: `${one.method}: ${most(one)}` });
    return [head, hs.dom.el("div", { class: "hs-parts", dir: "auto" }, tokens), named];
  }

  function draw(box, answer) {
    const ways = answer.links.flatMap(([text, href], i) => [i ? " · " : "", hs.dom.el("a", { href, text })]);
    const said = hs.dom.el("p", { class: "hs-muted", text: answer.said });
    const text = "Scores say what the answer rests on by this method, not what caused the failure.";
    const about = hs.dom.el("p", { class: "hs-muted", text });
    box.replaceChildren(...answer.strips.flatMap(strip), said, hs.dom.el("p", {}, ways), about);
  }

  async function fill(item) {
    const box = item.querySelector(".hs-case-why");
    box.hidden = false;
    item.querySelector("[data-case-why]").setAttribute("aria-expanded", "true");
    if (!box.childNodes.length) box.textContent = "Loading";
    try {
      draw(box, await get(item));
    } catch (error) {
      box.textContent = `Could not read why: ${error.message}`;
    }
  }

  function shut(item) {
    item.querySelector(".hs-case-why").hidden = true;
    item.querySelector("[data-case-why]").setAttribute("aria-expanded", "false");
  }

  function toggle(item) {
    open = item.querySelector(".hs-case-why").hidden;
    if (open) fill(item);
    else shut(item);
    return true;
  }

  function arrived(item, next) {
    if (open) fill(item);
    if (next) get(next).catch(() => null); // said when somebody looks
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-case-why]");
    if (button) toggle(button.closest(".hs-case"));
  });
  hs.failuresWhy = { toggle, arrived };
})();
