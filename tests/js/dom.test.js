"use strict";
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { load } = require("./load.js");
const words = require("./words.json"); // tests/unit/test_words.py holds Python to the same table

const { dom } = load("50_base/dom.js");
const TWINS = { plural: dom.plural, true_minus: dom.trueMinus, visible: dom.visible, quoted: dom.quoted };

for (const [name, cases] of Object.entries(words)) {
  test(`${name} is as in Python`, () => {
    for (const [given, wanted] of cases) assert.equal(TWINS[name](...given), wanted);
  });
}

test("numbers have four digits, a true minus, and a dash where nothing was measured", () => {
  const cases = [
    [0, "0"], [-3, "−3"], [0.123456, "0.1235"], [-1234.56, "−1235"], [0.00001234, "1.234e-5"], [2e6, "2.000e+6"],
    [null, "–"], [NaN, "–"],
  ];
  for (const [value, wanted] of cases) assert.equal(dom.number(value), wanted);
  assert.equal(dom.measured(null, "nats"), "not measured");
  assert.equal(dom.measured(-0.5, "nats"), "−0.5000 nats");
  assert.equal(dom.measured(2), "2");
});

test("small probabilities are told from none", () => {
  const cases = [[0, "0 %"], [1, "100.0 %"], [0.0123, "1.23 %"], [0.00001, "1.0e-3 %"], [null, "–"], [NaN, "–"]];
  for (const [p, wanted] of cases) assert.equal(dom.percent(p), wanted);
});

test("a label drops white space at its ends, or shows it when there is nothing else", () => {
  const cases = [[[" word "], "word"], [["\n"], "⏎"], [[""], "◦"], [["abcdef", 4], "abc…"], [["🧭🧭🧭", 2], "🧭…"]];
  for (const [given, wanted] of cases) assert.equal(dom.label(...given), wanted);
});
