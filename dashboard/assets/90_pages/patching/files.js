/* headscope.why.files: what the Why page shows as files, made of the very answer that is shown, so that nothing is
   computed twice: the menus of the two cards (pages/patching/page.py) ask for "csv" as for a picture. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const why = (hs.why = hs.why || {});
  const { $ } = hs.dom;
  const SWITCHES = "patching-switches", PARTS = "patching-parts";
  const READINGS = [["logprob", "target_logprob"], ["rank", "target_rank"], ["foil_logprob", "foil_logprob"],
    ["foil_rank", "foil_rank"]];
  const ADDED = "Direct logit attribution (Elhage et al. 2021) of one prompt, in one pass of the model as it is: what "
    + "each part writes itself to the total, ";
  const SUM = ", at the last position. All rows add up to total, to within off_by.";
  const MOVED = "One prompt, before and after the interventions, in one pass: probabilities of the likeliest next "
    + "tokens; margin: log-probability (nats) of the target minus that of the foil; KL(before || after) of the next "
    + "token in nats. No mean over prompts.";

  /** What was not measured is empty; quoted as RFC 4180 has it. */
  function cell(value) {
    const text = value === null || value === undefined || Number.isNaN(value) ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  /** Rows of the same names, with the sentence of method in the last column. */
  function written(rows, method) {
    const names = [...Object.keys(rows[0] || {}), "method"];
    const lines = [names, ...rows.map((row) => [...Object.values(row), method])];
    return lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");
  }

  const blob = (text) => new Blob([text], { type: "text/csv;charset=utf-8" });

  /** Every head and MLP and what else adds up to the margin. */
  function parts(page) {
    const { parts: { scores, terms, value: total, delta, quantity }, heads, target } = page.parts.found;
    const logit = quantity === "logit";
    const own = { model: page.boot.model, prompt: page.text, target: target.text, foil: target.foil_text };
    const row = (component, layer, head, value) =>
      ({ ...own, component, layer, head, value, unit: logit ? "logit" : "nats", total, off_by: delta });
    const rows = scores.flatMap((line, layer) => line.map((value, i) =>
      (i < heads ? row("head", layer, i, value) : row("mlp", layer, null, value))));
    const others = Object.entries(terms).map(([name, value]) => row(name, null, null, value));
    const what = logit ? "the target’s logit" : "the margin, the log-probability of the target minus that of the foil";
    return written([...rows, ...others], `${ADDED}${what}${SUM}`);
  }

  /** A row for every candidate; of what the two sides say in all, the same in each. */
  function moved(page) {
    const { candidates, target, before, after, kl, no_kl: noKl, interventions, model } = page.answer;
    const role = (text) => (text === target.text ? "target" : text === target.foil_text ? "foil" : "");
    const margin = (side) => (target.foil_text === null ? null : side.value);
    const said = READINGS.flatMap(([key, name]) => [[`${name}_before`, before[key]], [`${name}_after`, after[key]]]);
    return written(candidates.map((one) => ({
      model: model.name, prompt: page.text, interventions: interventions.join(","),
      target: target.text, foil: target.foil_text, token: one.text, role: role(one.text),
      probability_before: one.before, probability_after: one.after,
      margin_before: margin(before), margin_after: margin(after), ...Object.fromEntries(said),
      kl: noKl ? "inf" : kl,
    })), MOVED);
  }

  /** The menus save what this page shows. */
  function offer(page) {
    hs.pictured[SWITCHES] = async () => blob(moved(page));
    hs.pictured[PARTS] = async (format) => {
      if (format === "csv") return blob(parts(page));
      page.parts.card.dataset.caption = [page.boot.model, page.text].join(" · ");
      return hs.picture(page.parts.card, format);
    };
    show(page);
  }

  /** A menu stands where there is something to save. */
  function show(page) {
    $(`${SWITCHES}-actions`).hidden = !page.answer;
    $(`${PARTS}-actions`).hidden = !page.parts.found?.parts;
  }

  why.files = { offer, show };
})();
