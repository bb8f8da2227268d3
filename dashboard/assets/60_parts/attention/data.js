/* headscope.attention.codecs and .source: how attention values are coded, and where a layer comes from.
   A slice is one head: {data, offset, T, codec, signed, max}; max is the largest level in it. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const attention = (hs.attention = hs.attention || {});

  /* level: what is drawn, square root of the size, sign kept; weight: the value itself, as exact as the coding. */
  const codecs = {
    "uint8-sqrt": { signed: false, exact: false, level: (v) => v / 255, weight: (v) => (v / 255) ** 2 },
    "int8-sqrt": { signed: true, exact: false, level: (v) => v / 127, weight: (v) => Math.sign(v) * (v / 127) ** 2 },
    float32: { signed: true, exact: true, level: (v) => Math.sign(v) * Math.sqrt(Math.abs(v)), weight: (v) => v },
  };

  function largest(data, offset, T, codec, sink) {
    let top = 0;
    for (let q = 0; q < T; q++) {
      const row = offset + q * T;
      for (let k = sink ? 0 : 1; k <= q; k++) {
        const v = Math.abs(data[row + k]);
        if (v > top) top = v;
      }
    }
    return Math.abs(codec.level(top));
  }

  /** The level that all but the largest hundredth of the cells stay below. */
  function usual(data, offset, T, codec, sink, max) {
    const bins = new Uint32Array(256);
    let n = 0;
    for (let q = 0; q < T; q++) for (let k = sink ? 0 : 1; k <= q; k++, n++)
      bins[Math.round(max > 0 ? (255 * Math.abs(codec.level(data[offset + q * T + k]))) / max : 0)]++;
    let i = 255;
    for (let above = bins[255]; above <= n / 100 && i > 0; above += bins[i]) i--;
    return (max * Math.max(i, 1)) / 255;
  }

  /** fit: for scales that show most of the cells, even where one weight outshines all. */
  function slice(data, head, T, codec, sink = true) {
    const offset = head * T * T, max = largest(data, offset, T, codec, sink);
    return { data, offset, T, codec, signed: codec.signed, sink, max, fit: usual(data, offset, T, codec, sink, max) };
  }

  /** Level of one cell; NaN above the diagonal and in a hidden first column. */
  function level(s, q, k) {
    return k > q || (!s.sink && k === 0) ? NaN : s.codec.level(s.data[s.offset + q * s.T + k]);
  }

  const weight = (s, q, k) => (k > q ? NaN : s.codec.weight(s.data[s.offset + q * s.T + k]));

  /** The n largest |weights| of a query, [[key, weight]], largest first. */
  function strongest(s, q, n) {
    const out = [];
    for (let k = s.sink ? 0 : 1; k <= q; k++) {
      const w = weight(s, q, k);
      if (w === 0) continue;
      if (out.length === n && Math.abs(w) <= Math.abs(out[n - 1][1])) continue;
      out.push([k, w]);
      out.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
      if (out.length > n) out.pop();
    }
    return out;
  }

  /** Max-pooled [L, H, c, c] thumbnails made here, for tensors small enough to be in memory whole. */
  function pool(layers, H, T, c, codec) {
    const out = new Float32Array(layers.length * H * c * c);
    layers.forEach((data, l) => {
      for (let h = 0; h < H; h++) {
        for (let q = 0; q < T; q++) {
          const from = (h * T + q) * T, to = ((l * H + h) * c + ((q * c / T) | 0)) * c;
          for (let k = 0; k <= q; k++) {
            const v = codec.level(data[from + k]), i = to + ((k * c / T) | 0);
            if (Math.abs(v) > Math.abs(out[i])) out[i] = v;
          }
        }
      }
    });
    return out;
  }

  const WHOLE = 4 * 2 ** 20;

  /** Tensors of a stored run: everything at once when small, else layer by layer with a thumbnail from the server. */
  function source(url, shape) {
    const [L, H, T] = shape, each = H * T * T, small = L * each <= WHOLE, side = Math.min(T, 32);
    const all = () => hs.tensors.load(`${url}.safetensors`).then((p) => p.tensors.attention.data);
    const layer = small
      ? (l) => all().then((data) => data.subarray(l * each, (l + 1) * each))
      : (l) => hs.tensors.load(`${url}.safetensors?layer=${l}`).then((p) => p.tensors.attention.data);
    const thumbnail = async () => {
      if (!small) {
        const t = (await hs.tensors.load(`${url}/thumbnail.safetensors?side=${side}`)).tensors.thumbnail;
        return { side: t.shape[2], levels: Float32Array.from(t.data, (v) => v / 255) };
      }
      const layers = await Promise.all(Array.from({ length: L }, (_, l) => layer(l)));
      return { side, levels: pool(layers, H, T, side, codecs["uint8-sqrt"]) };
    };
    const cell = async (query, key) => (await hs.request.json(`${url}/value?query=${query}&key=${key}`)).weights;
    return { shape, codec: "uint8-sqrt", layer, thumbnail, row: rows(url, T), cell };
  }

  /** Exact weights of one query, [T] numbers; a short prompt's head comes whole, and the last ones are kept. */
  function rows(url, T) {
    const kept = new hs.tensors.Lru(4096), whole = T <= 64;
    return async (layer, head, query) => {
      const key = whole ? `layer=${layer}&head=${head}` : `layer=${layer}&head=${head}&query=${query}`;
      let answer = kept.get(key);
      if (!answer) {
        answer = hs.request.json(`${url}/value?${key}`).then((found) => found.weights);
        kept.set(key, answer, whole ? T : 1);
        answer.catch(() => kept.drop(key));
      }
      return whole ? (await answer)[query] : answer;
    };
  }

  Object.assign(attention, { codecs, slice, level, weight, strongest, pool, source });
})();
