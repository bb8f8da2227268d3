"use strict";
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { load, variables } = require("./load.js");

const { color } = load("50_base/color.js");
const css = (hex) => `rgb(${[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(" ")})`;

test("a ramp ends in the style sheet's colours, and levels beyond it are its ends", () => {
  for (const [signed, name] of [[false, "--hs-ramp-seq"], [true, "--hs-ramp-div"]]) {
    const stops = variables("light")[name].split(","), low = signed ? -1 : 0;
    assert.equal(color.css(low, signed), css(stops[0]));
    assert.equal(color.css(1, signed), css(stops.at(-1)));
    assert.equal(color.css(low - 5, signed), css(stops[0]));
    assert.equal(color.css(9, signed), css(stops.at(-1)));
  }
  assert.equal(color.css(0, true), css("#f4f4f2"));
});

test("pixels of a canvas are the same colours, opaque", () => {
  const { pixels, css: texts, half } = color.table(true);
  assert.equal(pixels.length, 2 * half + 1);
  for (const [i, pixel] of pixels.entries()) {
    const [r, g, b, a] = [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255, pixel >>> 24];
    assert.deepEqual([`rgb(${r} ${g} ${b})`, a], [texts[i], 255]);
  }
});

test("ink is dark on light colours and light on dark ones", () => {
  assert.deepEqual([color.ink(0, false), color.ink(1, false)], ["#000", "#fff"]);
  assert.deepEqual([color.ink(-1, true), color.ink(0, true), color.ink(1, true)], ["#fff", "#000", "#fff"]);
});

test("a gradient runs from the lowest level to the highest", () => {
  assert.equal(color.gradient(true, 3), `linear-gradient(90deg, ${[-1, 0, 1].map((v) => color.css(v, true)).join(",")})`);
  assert.equal(color.gradient(false, 2), `linear-gradient(90deg, ${color.css(0, false)},${color.css(1, false)})`);
});
