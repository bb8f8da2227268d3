"use strict";
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { bytes, cases, load } = require("./load.js");

const { tensors } = load("50_base/tensors.js");
const { written, floats } = cases();
const number = (v) => ({ nan: NaN, inf: Infinity, "-inf": -Infinity }[v] ?? Number(v));

test("what the safetensors library wrote is read", () => {
  const parsed = tensors.parse(bytes("all.safetensors"));
  assert.deepEqual(parsed.metadata, { live: "{\"text\": \"naïve 🧭\"}" });
  assert.deepEqual(Object.keys(parsed.tensors).sort(), Object.keys(written).sort());
  for (const [name, { dtype, shape, values }] of Object.entries(written)) {
    const found = parsed.tensors[name];
    assert.deepEqual([found.dtype, found.shape], [dtype, shape], name);
    assert.deepEqual(Array.from(found.data, Number), values.map(number), name);
  }
});

test("a file that is cut off, or of a type unknown here, is refused", () => {
  const whole = bytes("all.safetensors");
  assert.throws(() => tensors.parse(whole.slice(0, 5)), /shorter than its header/);
  assert.throws(() => tensors.parse(whole.slice(0, 40)), /header is cut off/);
  assert.throws(() => tensors.parse(whole.slice(0, whole.byteLength - 1)), /tensor \w+ is cut off/);
  assert.throws(() => tensors.parse(bytes("bf16.safetensors")), /dtype BF16 cannot be read/);
});

test("base64 holds float32", () => {
  assert.deepEqual(Array.from(tensors.floats(floats.text)), floats.values.map(number));
  assert.equal(tensors.floats("").length, 0);
});

test("what was used last stays, whatever it weighs", () => {
  const kept = new tensors.Lru(10);
  kept.set("a", 1, 4);
  kept.set("b", 2, 4);
  assert.equal(kept.get("a"), 1);
  kept.set("c", 3, 4);
  assert.deepEqual([kept.get("a"), kept.get("b"), kept.get("c")], [1, undefined, 3]);
  kept.set("huge", 4, 99);
  assert.deepEqual([kept.get("a"), kept.get("huge"), kept.used], [undefined, 4, 99]);
});
