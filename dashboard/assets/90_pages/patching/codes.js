/* headscope.why.codes: interventions as links and requests write them (headscope.analysis.types.interventions), and in
   words. Python alone judges whether one is possible. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const why = (hs.why = hs.why || {});
  const { trueMinus } = hs.dom;
  const FORM = /^([a-z]+):(\d+)(?:\.(\d+))?(?:@(\d+))?:([a-z]+)(?::([^:]+))?$/;
  const PARTS = [
    ["head", "Head"], ["attention", "Attention"], ["mlp", "MLP"], ["layer", "Layer"], ["residual", "Residual stream"],
  ];
  const CHANGES = [
    ["zero", "Off", "Nothing takes its place"],
    ["mean", "Mean", "Its mean over the positions of the prompt takes its place"],
    ["scale", "Scale", "It is multiplied by a factor"],
    ["patch", "Patch", "What it is in the other prompt takes its place"],
  ];

  const whole = (digits) => (digits === undefined ? null : Number(digits));

  /** {part, layer, head, position, change, factor}, or null for what is none. */
  function parse(code) {
    const found = FORM.exec(code);
    if (!found) return null;
    const [, part, layer, head, position, change, factor] = found;
    return { part, layer: Number(layer), head: whole(head), position: whole(position), change, factor };
  }

  function write({ part, layer, head, position, change, factor }) {
    const of = part === "head" ? `.${head}` : "", at = position === null ? "" : `@${position}`;
    return `${part}:${layer}${of}${at}:${change}${change === "scale" ? `:${factor}` : ""}`;
  }

  const NAMES = {
    head: (one) => `L${one.layer} H${one.head}`,
    attention: (one) => `L${one.layer} attention`,
    mlp: (one) => `L${one.layer} MLP`,
    layer: (one) => `layer ${one.layer}`,
    residual: (one) => `residual ${one.layer}`,
  };
  const DONE = {
    zero: () => "off",
    mean: () => "→ mean",
    scale: (one) => `× ${trueMinus(one.factor)}`,
    patch: () => "← other prompt",
  };

  /** What a code says, for a chip; one that says nothing is shown as it is. */
  function words(code, tokens = []) {
    const one = parse(code);
    if (!one || !NAMES[one.part] || !DONE[one.change]) return code;
    const token = tokens[one.position], said = token === undefined ? "" : ` ${hs.dom.quoted(token, 12)}`;
    const at = one.position === null ? "" : ` at ${one.position}${said}`;
    return `${NAMES[one.part](one)}${at} ${DONE[one.change](one)}`;
  }

  /** A head, or the MLP behind the last of them, switched off everywhere. */
  const off = (layer, component, heads) =>
    component < heads ? `head:${layer}.${component}:zero` : `mlp:${layer}:zero`;

  why.codes = { parse, write, words, off, PARTS, CHANGES };
})();
