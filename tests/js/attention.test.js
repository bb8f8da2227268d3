"use strict";
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { cases, load } = require("./load.js");

const { attention } = load("60_parts/attention/data.js");
const { exact, bytes } = cases().weights;

/** One head of T tokens, row by row; above the diagonal nothing is read. */
const DATA = Uint8Array.from([255, 0, 0, 128, 180, 0, 10, 200, 60]), T = 3;
const head = (sink = true) => attention.slice(DATA, 0, T, attention.codecs["uint8-sqrt"], sink);

test("bytes are weights to half a step of their square root", () => {
  const { weight, level } = attention.codecs["uint8-sqrt"];
  bytes.forEach((byte, i) => {
    assert.ok(Math.abs(level(byte) - Math.sqrt(exact[i])) <= 0.5 / 255 + 1e-9, String(exact[i]));
    assert.ok(Math.abs(weight(byte) - level(byte) ** 2) < 1e-12);
  });
});

test("differences keep their sign", () => {
  for (const name of ["int8-sqrt", "float32"]) {
    const { signed, level, weight } = attention.codecs[name], coded = name === "float32" ? -0.25 : -64;
    assert.equal(signed, true);
    assert.ok(level(coded) < 0 && weight(coded) < 0);
    assert.ok(Math.abs(level(coded) ** 2 + weight(coded)) < 1e-12);
  }
});

test("nothing is read from the future, nor from a first token that is hidden", () => {
  assert.equal(attention.level(head(), 1, 0), 128 / 255);
  assert.ok(Number.isNaN(attention.level(head(), 0, 1)));
  assert.ok(Number.isNaN(attention.weight(head(), 1, 2)));
  assert.ok(Number.isNaN(attention.level(head(false), 1, 0)));
  assert.deepEqual([head().max, head(false).max], [1, 200 / 255]);
});

test("the strongest keys come first, those of no weight not at all", () => {
  assert.deepEqual(attention.strongest(head(), 2, 2).map(([key]) => key), [1, 2]);
  assert.deepEqual(attention.strongest(head(), 2, 9).map(([key]) => key), [1, 2, 0]);
  assert.deepEqual(attention.strongest(head(false), 2, 9).map(([key]) => key), [1, 2]);
  assert.deepEqual(attention.strongest(head(), 0, 3), [[0, 1]]);
});

test("a thumbnail keeps the largest of the cells it joins", () => {
  const pooled = attention.pool([DATA], 1, T, 2, attention.codecs["uint8-sqrt"]);
  assert.deepEqual(Array.from(pooled), [1, 0, Math.fround(200 / 255), Math.fround(60 / 255)]);
});
