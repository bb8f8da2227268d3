/* headscope.run.gainLine and removalCurves: an order of tokens beside random orders and "last first". */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const run = (hs.run = hs.run || {});
  const { el, svg, number } = hs.dom;
  const W = 300, H = 128, LEFT = 40, RIGHT = 12, TOP = 8, BOTTOM = 34;
  const known = (values) => values.filter((v) => v !== null);
  const text = (x, y, said, anchor = "middle") => svg("text", { x, y, "text-anchor": anchor }, [said]);
  const percent = (share) => `${Math.round(100 * share)} %`;

  /** The gain as a point on a line, the middle 95 % of random orders as a bar, "last first" as an upright line. */
  run.gainLine = ({ tone, unit, removed }, { gain, random_low: low, random_high: high, recency_gain: recency }) => {
    const all = known([gain, low, high, recency, 0]), from = Math.min(...all), to = Math.max(...all);
    const x = (v) => 10 + ((v - from) / (to - from || 1)) * (W - 20);
    const short = (v) => number(v, 2), range = `random orders ${short(low)} to ${short(high)}`;
    const late = recency === null ? null : `last ${removed}s first`;
    const said = [`this ranking ${short(gain)}`, range, late && `${late} ${short(recency)}`];
    const drawing = svg("svg", {
      class: `hs-receipt-gain ${tone}`, viewBox: `0 0 ${W} 32`, role: "img",
      "aria-label": `Gain in ${unit}: ${said.filter(Boolean).join("; ")}`,
    }, [
      svg("line", { class: "axis", x1: 10, x2: W - 10, y1: 9, y2: 9 }),
      svg("line", { class: "zero", x1: x(0), x2: x(0), y1: 1, y2: 19 }),
      low === null || high === null ? null
        : svg("rect", { class: "chance", x: x(low), width: Math.max(1, x(high) - x(low)), y: 5, height: 8, rx: 2 }),
      recency === null ? null : svg("line", { class: "recency", x1: x(recency), x2: x(recency), y1: 2, y2: 16 }),
      svg("circle", { class: "here", cx: x(gain), cy: 9, r: 4.5 }),
      ...ticks(from, to, x).map(([v, anchor]) => text(x(v), 30, v === 0 ? `0 ${unit}` : short(v), anchor)),
    ].filter(Boolean));
    return el("div", { class: "hs-receipt-line" }, [drawing, key("points", late)]);
  };

  /** Both ends and 0, without those that would stand on another. */
  function ticks(from, to, x) {
    const found = [[0, x(0) < 40 ? "start" : x(0) > W - 40 ? "end" : "middle"]];
    if (x(0) - x(from) > 60) found.push([from, "start"]);
    if (x(to) - x(0) > 60) found.push([to, "end"]);
    return found;
  }

  const key = (kind, late) => el("p", { class: `hs-receipt-key ${kind}` }, [
    el("span", { class: "here", text: "this ranking" }), el("span", { class: "chance", text: "random orders" }),
    el("span", { class: late ? "recency" : "", text: late || "recency not measured" }),
  ]);

  /** Curves and gain under one masking, or the mean; a switch where there are several. */
  run.removalCurves = (receipt) => {
    const box = el("div", {});
    const draw = (name) => {
      const one = receipt.curves.find((curves) => curves.name === name);
      const several = receipt.curves.length > 1;
      box.replaceChildren(...[
        several ? run.gainLine(receipt, one) : null,
        figure("removed", receipt, one.deletion, one.random_deletion, one.recency_deletion),
        figure("kept", receipt, one.insertion, one.random_insertion, one.recency_insertion),
        key("lines", one.recency_gain === null ? null : `last ${receipt.removed}s first`),
      ].filter(Boolean));
      choice.set(name);
    };
    const choice = hs.switches.switcher(
      `Removed ${receipt.removed}s become`, receipt.curves.map(({ name }) => [name, name]), draw,
    );
    draw(receipt.curves[0].name);
    return el("div", {}, [receipt.curves.length > 1 ? choice.root : null, box]);
  };

  /** A curve over the share of tokens, with the mean of random orders dashed and "last first" dotted. */
  function figure(done, { fractions, unit, removed }, values, random, recency) {
    const all = known([...values, ...random, ...recency, 0]), low = Math.min(...all), high = Math.max(...all);
    const x = (f) => LEFT + f * (W - LEFT - RIGHT);
    const y = (v) => TOP + (1 - (v - low) / (high - low || 1)) * (H - TOP - BOTTOM);
    const line = (points, kind) => svg("polyline", {
      class: kind,
      points: points.map((v, i) => (v === null ? "" : `${x(fractions[i]).toFixed(1)},${y(v).toFixed(1)}`)).join(" "),
    });
    const heights = [low, high].filter((v) => Math.abs(y(v) - y(0)) > 14);
    const what = `Fall in ${unit} with the highest-ranked ${removed}s ${done}`;
    const drawing = svg("svg", {
      class: "hs-curve", viewBox: `0 0 ${W} ${H}`, role: "img",
      "aria-label": `${what}: ${fractions.map((f, i) => `${percent(f)} ${number(values[i], 3)}`).join(", ")}`,
    }, [
      svg("line", { class: "zero", x1: LEFT, x2: W - RIGHT, y1: y(0), y2: y(0) }),
      ...[0, ...heights].map((v) => text(LEFT - 5, y(v) + 4, number(v, 2), "end")),
      ...fractions.map((f) => text(x(f), H - BOTTOM + 15, percent(f))),
      text((LEFT + W - RIGHT) / 2, H - 4, `of the ${removed}s ${done}, highest-ranked first`),
      line(random, "chance"), recency.length ? line(recency, "recency") : null, line(values, "here"),
    ].filter(Boolean));
    return el("figure", {}, [el("figcaption", { text: what }), drawing]);
  }
})();
