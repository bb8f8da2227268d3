/* headscope.run.attributionRow: one method's scores as cells with bars, `<tr>`. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, number, quoted } = hs.dom;
  const LONG = 24; // columns from which a row is wider than what is in sight

  /** m: the method; found: {scores, errors, limit}, null while they are on their way (`waiting` says which way).
      here: index of the explained token, what comes at or after it is not measured. */
  run.attributionRow = (m, columns, { found, waiting, here }) => {
    const name = named(m), whole = (text) => el("td", { colspan: columns.length, text });
    if (m.error) return el("tr", { class: "failed" }, [name, whole(m.error)]);
    if (!found) return el("tr", { class: "waiting" }, [name, whole(waiting)]);
    const { scores, errors, limit } = found, top = largest(scores);
    if (columns.length > LONG && top >= 0) name.append(jump(columns[top]));
    const cells = columns.map((column, i) => {
      const v = scores[i] ?? null;
      if (v === null) return unmeasured(m, column, here);
      return cell(m, v, errors[i] ?? null, column, limit, i === top);
    });
    return el("tr", { class: `${m.signed ? "signed" : "unsigned"} `
      + `${m.verdict}`, "data-method": m.method }, [name, ...cells]);
  };

  function named(m) {
    const chip = !m.error && m.receipt && m.strip ? verdict(m.receipt) : null;
    const unsure = { not_converged: !m.receipt && "not converged", off: "does not add up" }[m.verdict];
    const said = [unsure, m.unit, m.note?.toLowerCase().replace(/\.$/, "")];
    return el("th", { scope: "row", title: [m.summary, m.note].filter(Boolean).join(" ") }, [
      el("span", { text: m.label }), chip, el("small", { text: m.error ? "failed" : said.filter(Boolean).join(", ") }),
    ]);
  }

  /** May this ranking be believed here? In few words. */
  function verdict(receipt) {
    const mark = run.verdictMark(receipt, receipt.chip);
    mark.classList.add("hs-attr-verdict");
    mark.title = `Removal test: ${receipt.words}`;
    return mark;
  }

  /** Index of the score of largest size, -1 where none was measured. */
  const largest = (scores) => scores.reduce(
    (best, v, i) => (v !== null && (best < 0 || Math.abs(v) > Math.abs(scores[best])) ? i : best), -1,
  );

  const jump = (column) => el("button", {
    type: "button", class: "hs-attr-jump", title: `Go to the largest score, ${quoted(column.text)}`, text: "largest ▸",
  });

  function unmeasured(m, column, here) {
    const why = column.index >= here
      ? "comes after the explained token"
      : `not measured by ${m.label}${m.not_explained ? `: ${m.not_explained}` : ""}`;
    const title = `${quoted(column.text)}: ${why}`;
    return el("td", { "data-p": column.index, class: "unmeasured", title }, [el("i", {}), el("span", { text: "–" })]);
  }

  function cell(m, v, error, column, limit, top) {
    const level = limit > 0 ? v / limit : 0, size = Math.abs(level), off = error === null ? "" : ` ± `
      + `${number(error, 2)}`;
    const unsure = m.verdict === "not_converged" ? "\nnot converged" : "";
    return el("td", {
      "data-p": column.index,
      class: `${v < 0 ? "negative" : "positive"}${top ? " top" : ""}`,
      title: `${quoted(column.text)}\n${m.label}: ${number(v, 6)}${off} ${m.unit}${unsure}`,
      "--t": Math.min(1, size).toFixed(4),
      "--bar": hs.color.css(m.signed ? Math.sign(level) * (0.35 + 0.5 * size) : 0.45 + 0.4 * level, m.signed),
    }, [
      el("i", {}), m.signed && error !== null && limit > 0 ? whisker(v, error, limit) : null,
      el("span", { text: number(v, 2) }),
    ]);
  }

  /** What a score may be off by, on the scale of its bar. */
  function whisker(v, error, limit) {
    const place = (end) => Math.max(-1, Math.min(1, end / limit)).toFixed(4);
    const ends = { "--low": place(v - error), "--high": place(v + error) };
    return el("b", { class: "hs-whisker", "aria-hidden": "true", ...ends });
  }
})();
