"use strict";
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { cases, load } = require("./load.js");

const { url } = load("50_base/url.js");

test("a link says what Python's own says of the same state", () => {
  for (const { state, usual, search } of cases().links) {
    assert.deepEqual([...url.query(state, usual)], [...new URLSearchParams(search)], search);
  }
});

test("a state that is usual says nothing", () => {
  assert.equal(String(url.query({ a: 1, b: true, c: "", d: null, e: undefined }, { a: 1, b: true })), "");
  assert.equal(String(url.query({ b: false, a: 0, c: "" }, { b: true, a: 1, c: "x" })), "b=0&a=0&c=");
});

test("clicks that ask for another tab are not plain", () => {
  assert.equal(url.plain({ button: 0 }), true);
  for (const other of [{ ctrlKey: true }, { metaKey: true }, { shiftKey: true }, { altKey: true }, { button: 1 }]) {
    assert.equal(url.plain({ button: 0, ...other }), false);
  }
});
