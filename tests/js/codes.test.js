"use strict";
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { load } = require("./load.js");

const { codes } = load("50_base/dom.js", "90_pages/patching/codes.js").why;

test("a code is read and written back", () => {
  for (const code of ["head:5.3:zero", "mlp:4@7:scale:-0.5", "layer:0:mean", "residual:30@0:patch"])
    assert.equal(codes.write(codes.parse(code)), code);
  for (const code of ["", "head", "mlp:-1:zero", "head:5.3"]) assert.equal(codes.parse(code), null);
});

test("a code is said in words, one that says nothing as it is", () => {
  const tokens = ["One", " two"];
  const said = {
    "head:5.3:zero": "L5 H3 off",
    "mlp:4@1:scale:-0.5": "L4 MLP at 1 “␣two” × −0.5",
    "attention:2@9:mean": "L2 attention at 9 → mean",
    "residual:6:patch": "residual 6 ← other prompt",
    "layer:7:melt": "layer:7:melt",
    "nothing": "nothing",
  };
  for (const [code, words] of Object.entries(said)) assert.equal(codes.words(code, tokens), words);
});

test("the component behind the last head is the MLP", () => {
  assert.equal(codes.off(2, 8, 9), "head:2.8:zero");
  assert.equal(codes.off(2, 9, 9), "mlp:2:zero");
});
