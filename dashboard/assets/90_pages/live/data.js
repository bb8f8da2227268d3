/* headscope.live.read and .source: one binary answer as the views need it, and as the attention explorer needs it. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const live = (hs.live = hs.live || {});
  const LOG2 = Math.log(2);

  /** {facts, arrays: {name: typed array}, shape [L, H, T, T], heads: summaries for the explorer}; explain.js adds
      `explained`. */
  live.read = (buffer) => {
    const { tensors, metadata } = hs.tensors.parse(buffer),
      facts = JSON.parse(metadata.live);
    const arrays = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.data]));
    const [L, H] = tensors.attention.shape,
      heads = {};
    facts.head_stats.forEach((stat, i) => {
      if (!stat.defined) return;
      const values = Array.from({ length: L }, (_, l) =>
        Array.from({ length: H }, (_, h) => {
          const v = arrays.heads[(i * L + l) * H + h];
          return Number.isNaN(v) ? null : v;
        }),
      );
      heads[stat.name] = { label: stat.label, unit: stat.unit, description: stat.description, values };
    });
    return { facts, arrays, shape: tensors.attention.shape, k: tensors.topk_logprobs.shape[1], heads };
  };

  live.source = ({ arrays, shape }) => {
    const [L, H, T] = shape,
      each = H * T * T,
      { attention, attention_half: bits } = arrays,
      side = Math.min(T, 32);
    const layer = (l) => attention.subarray(l * each, (l + 1) * each);
    const layers = () => Array.from({ length: L }, (_, l) => layer(l));
    return {
      shape,
      codec: "uint8-sqrt",
      layer: async (l) => layer(l),
      thumbnail: async () => ({
        side,
        levels: hs.attention.pool(layers(), H, T, side, hs.attention.codecs["uint8-sqrt"]),
      }),
      row: bits
        ? async (l, h, q) =>
            Array.from(bits.subarray(((l * H + h) * T + q) * T, ((l * H + h) * T + q + 1) * T), hs.tensors.half)
        : undefined,
    };
  };

  /** Nats in the unit on screen. */
  live.inUnit = (nats, unit) => (unit === "bits" ? nats / LOG2 : nats);

  /** Candidates for token `position` (for what follows the text when null): [{text, logprob, rank}]. */
  live.candidates = ({ facts, arrays, k }, position) => {
    const row = position === null ? facts.tokens.length - 1 : position - 1;
    return facts.topk_texts[row].map((text, i) => ({ text, logprob: arrays.topk_logprobs[row * k + i], rank: i + 1 }));
  };
})();
