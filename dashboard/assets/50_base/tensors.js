/* headscope.tensors: read safetensors payloads and keep the last few in memory.
   parse(ArrayBuffer) -> {tensors: {name: {dtype, shape, data}}, metadata}; data is a typed array, a view when
   aligned. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});

  const TYPES = {
    U8: Uint8Array, I8: Int8Array, BOOL: Uint8Array, I16: Int16Array, U16: Uint16Array, I32: Int32Array,
    U32: Uint32Array, F32: Float32Array, F64: Float64Array, I64: BigInt64Array, U64: BigUint64Array,
  };

  /** An IEEE half float from its 16 bits. */
  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }

  /** Half floats as float32. */
  function halves(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Float32Array.from({ length: bytes.byteLength / 2 }, (_, i) => half(view.getUint16(2 * i, true)));
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

  /** The bytes of a base64 text. */
  function bytes(text) {
    const binary = atob(text), out = new Uint8Array(binary.length);
    for (let i = 0; i < out.length; i++) out[i] = binary.charCodeAt(i);
    return out;
  }

  /** float32 of a base64 text. */
  const floats = (text) => new Float32Array(bytes(text).buffer);

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

  async function download(url) {
    const response = await hs.request.checked(url, { credentials: "same-origin" });
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

  hs.tensors = { parse, half, bytes, floats, load, Lru };
})();
