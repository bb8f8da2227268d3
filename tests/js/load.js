/* `load("50_base/dom.js", ...)`: runs assets as a page does and returns window.headscope. Of the browser there is only
   what these files touch while they load, and the style sheet's own variables. */
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { runInThisContext } = require("node:vm");

const ASSETS = join(__dirname, "../../dashboard/assets");

/** CSS variables of one theme, from the style sheet. */
function variables(theme) {
  const css = readFileSync(join(ASSETS, "50_base/app.css"), "utf8"), start = css.indexOf(`[data-bs-theme="${theme}"] {`);
  const block = css.slice(start, css.indexOf("}", start));
  return Object.fromEntries([...block.matchAll(/(--[\w-]+): ([^;]+);/g)].map(([, name, value]) => [name, value]));
}

function load(...files) {
  const light = variables("light");
  globalThis.window = globalThis;
  globalThis.document = { documentElement: {} };
  globalThis.getComputedStyle = () => ({ getPropertyValue: (name) => light[name] });
  globalThis.MutationObserver = class { observe() {} };
  for (const file of files) runInThisContext(readFileSync(join(ASSETS, file), "utf8"), { filename: file });
  return globalThis.headscope;
}

/** What Python made for these tests (tests/unit/test_assets_node.py): the parsed cases, and the bytes of a file. */
const cases = () => JSON.parse(readFileSync(join(process.env.HEADSCOPE_CASES, "cases.json"), "utf8"));
function bytes(name) {
  const found = readFileSync(join(process.env.HEADSCOPE_CASES, name));
  return found.buffer.slice(found.byteOffset, found.byteOffset + found.byteLength);
}

module.exports = { load, variables, cases, bytes };
