/* headscope.tensors: read safetensors payloads and keep the last few in memory.
   parse(ArrayBuffer) -> {tensors: {name: {dtype, shape, data}}, metadata}; data is a typed array view (no copy when aligned). */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});

  const TYPES = {
    U8: Uint8Array, I8: Int8Array, BOOL: Uint8Array, I16: Int16Array, U16: Uint16Array, I32: Int32Array,
    U32: Uint32Array, F32: Float32Array, F64: Float64Array, I64: BigInt64Array, U64: BigUint64Array,
  };

  /** IEEE half floats as float32. */
  function halves(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const out = new Float32Array(bytes.byteLength / 2);
    for (let i = 0; i < out.length; i++) {
      const h = view.getUint16(2 * i, true);
      const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
      if (exponent === 31) out[i] = fraction ? NaN : sign * Infinity;
      else if (exponent === 0) out[i] = sign * fraction * 2 ** -24;
      else out[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
    }
    return out;
  }

  function typed(dtype, buffer, start, end) {
    if (dtype === "F16") return halves(new Uint8Array(buffer, start, end - start));
    const Type = TYPES[dtype];
    if (!Type) throw new Error(`safetensors: dtype ${dtype} cannot be read here`);
    const width = Type.BYTES_PER_ELEMENT;
    if (start % width) return new Type(buffer.slice(start, end));
    return new Type(buffer, start, (end - start) / width);
  }

  function parse(buffer) {
    if (buffer.byteLength < 8) throw new Error("safetensors: shorter than its header");
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    if (8 + length > buffer.byteLength) throw new Error("safetensors: the header is cut off");
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    const tensors = {};
    for (const [name, entry] of Object.entries(header)) {
      if (name === "__metadata__") continue;
      const [from, to] = entry.data_offsets, start = 8 + length + from, end = 8 + length + to;
      if (end > buffer.byteLength) throw new Error(`safetensors: tensor ${name} is cut off`);
      tensors[name] = { dtype: entry.dtype, shape: entry.shape, data: typed(entry.dtype, buffer, start, end) };
    }
    return { tensors, metadata: header.__metadata__ || {} };
  }

  /** float32 of a base64 text. */
  function floats(text) {
    const binary = atob(text), bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    return new Float32Array(bytes.buffer);
  }

  /** A least-recently-used map bounded by the sum of its weights. */
  class Lru {
    constructor(budget) { this.budget = budget; this.used = 0; this.items = new Map(); }
    get(key) {
      const item = this.items.get(key);
      if (!item) return undefined;
      this.items.delete(key);
      this.items.set(key, item);
      return item.value;
    }
    set(key, value, weight) {
      this.drop(key);
      this.items.set(key, { value, weight });
      this.used += weight;
      for (const old of this.items.keys()) {
        if (this.used <= this.budget || old === key) break;
        this.drop(old);
      }
    }
    drop(key) {
      const item = this.items.get(key);
      if (item) { this.used -= item.weight; this.items.delete(key); }
    }
  }

  const cache = new Lru(96 * 2 ** 20);
  const pending = new Map();

  /** The reason the server gave ({"error": "..."}), else the status. */
  async function reason(response) {
    try {
      return (await response.json()).error || `the server answered ${response.status}`;
    } catch {
      return `the server answered ${response.status}`;
    }
  }

  async function download(url) {
    const response = await fetch(url, { credentials: "same-origin" });
    if (!response.ok) throw new Error(await reason(response));
    const buffer = await response.arrayBuffer();
    const parsed = parse(buffer);
    cache.set(url, parsed, buffer.byteLength);
    return parsed;
  }

  /** Parsed tensors of a URL; the same URL is fetched once, also while the first answer is on its way. */
  function load(url) {
    const known = cache.get(url);
    if (known) return Promise.resolve(known);
    if (!pending.has(url)) pending.set(url, download(url).finally(() => pending.delete(url)));
    return pending.get(url);
  }

  hs.tensors = { parse, floats, load, Lru, reason };
})();
