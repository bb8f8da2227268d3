/* headscope.picture(element, format): what is on screen as an SVG or PNG Blob, also where it is HTML and not a figure.
   Boxes become rects, text becomes text, canvases become embedded images; scroll areas are shown whole. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const { svg } = hs.dom;
  const PAD = 16, HEAD = 40, CLEAR = /^(transparent|rgba\(.*, 0\))$/;

  /** XML has no place for control characters. */
  const printable = (string) => string.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");

  function box(out, node, style, at) {
    const r = node.getBoundingClientRect(),
      ring = /inset/.test(style.boxShadow) ? style.boxShadow.match(/rgba?\([^)]*\)/) : null;
    if (CLEAR.test(style.backgroundColor) && !ring) return;
    out.append(svg("rect", { ...at(r), width: r.width, height: r.height, rx: parseFloat(style.borderRadius) || 0,
      fill: CLEAR.test(style.backgroundColor) ? "none" : style.backgroundColor, stroke: ring ? ring[0] : null }));
  }

  /** [text, rect] for every line a text node runs over. */
  function lines(node) {
    const range = document.createRange(), found = [];
    range.selectNodeContents(node);
    if (range.getClientRects().length === 1) return [[node.data, range.getBoundingClientRect()]];
    let offset = 0;
    for (const char of node.data) {
      range.setStart(node, offset);
      range.setEnd(node, (offset += char.length));
      const r = range.getBoundingClientRect(), last = found[found.length - 1];
      if (!r.width) continue;
      if (last && Math.abs(last[1].top - r.top) < 2) {
        last[0] += char;
        last[1].width = r.right - last[1].left;
      } else if (char.trim() || !/normal|nowrap/.test(getComputedStyle(node.parentElement).whiteSpace)) {
        found.push([char, { left: r.left, top: r.top, width: r.width, height: r.height }]);
      }
    }
    return found;
  }

  /** Where a line begins, and how long it is: one that runs upwards or downwards is turned about its middle. */
  function placed(r, style, at) {
    const { x, y } = at(r), middle = { x: x + r.width / 2, y: y + r.height / 2 };
    if (!/^vertical/.test(style.writingMode)) return { x, y: middle.y, textLength: r.width };
    const upwards = style.transform.startsWith("matrix(-1");
    const turned = `rotate(${upwards ? -90 : 90} ${middle.x} ${middle.y})`;
    return { x: middle.x - r.height / 2, y: middle.y, textLength: r.height, transform: turned };
  }

  /** Text keeps the width it has on screen, whatever font the picture is opened with. */
  function text(out, node, style, at) {
    for (const [line, r] of lines(node)) {
      if (!line.trim() || !r.width) continue;
      out.append(
        svg("text", {
          ...placed(r, style, at),
          "dominant-baseline": "central",
          fill: style.color,
          style: "white-space: pre",
          lengthAdjust: "spacingAndGlyphs",
          "font-family": style.fontFamily,
          "font-size": style.fontSize,
          "font-weight": style.fontWeight,
          text: printable(line),
        }),
      );
    }
  }

  /** A colour scale: evenly spaced stops of an inline gradient. */
  function gradient(out, node, at) {
    const stops = node.style.background.match(/rgba?\([^)]*\)/g) || [],
      r = node.getBoundingClientRect(),
      id = `scale-${out.childNodes.length}`;
    out.append(
      svg(
        "linearGradient",
        { id },
        stops.map((color, i) => svg("stop", { offset: i / (stops.length - 1), "stop-color": color })),
      ),
      svg("rect", { ...at(r), width: r.width, height: r.height, rx: 2, fill: `url(#${id})` }),
    );
  }

  /** A drawing as it is: a copy whose looks no longer depend on the style sheet. */
  function drawing(out, node, at) {
    const r = node.getBoundingClientRect(),
      copy = node.cloneNode(true),
      from = node.querySelectorAll("*"),
      to = copy.querySelectorAll("*");
    from.forEach((part, i) => {
      const style = getComputedStyle(part);
      for (const name of [
        "fill",
        "fill-opacity",
        "stroke",
        "stroke-width",
        "stroke-opacity",
        "stroke-dasharray",
        "font-size",
        "font-weight",
        "font-family",
      ]) {
        to[i].setAttribute(name, style.getPropertyValue(name));
      }
    });
    for (const [name, value] of Object.entries({ ...at(r), width: r.width, height: r.height }))
      copy.setAttribute(name, value);
    out.append(copy);
  }

  function walk(out, node, at) {
    if (node.nodeType === Node.TEXT_NODE) return text(out, node, getComputedStyle(node.parentElement), at);
    if (node.nodeType !== Node.ELEMENT_NODE) return undefined;
    const style = getComputedStyle(node);
    if (style.display === "none" || style.visibility === "hidden" || node.matches(".hs-tip, .visually-hidden"))
      return undefined;
    if (node instanceof SVGSVGElement) return drawing(out, node, at);
    if (node instanceof HTMLCanvasElement) {
      const r = node.getBoundingClientRect();
      if (r.width) out.append(svg("image", { ...at(r), width: r.width, height: r.height, href: node.toDataURL() }));
      return undefined;
    }
    if (node.style.background.includes("linear-gradient")) return gradient(out, node, at);
    box(out, node, style, at);
    node.childNodes.forEach((child) => walk(out, child, at));
    return undefined;
  }

  /** Which runs the page is about, where the card itself does not say. */
  const scope = () => [...document.querySelectorAll(".hs-scope :is(summary, .hs-chip)")]
    .map((part) => part.textContent.replace(/\s+/g, " ").trim()).join(" · ");

  function toSvg(card) {
    card.classList.add("hs-picturing");
    const body = card.querySelector(".hs-card-body"),
      frame = body.getBoundingClientRect(),
      title = card.querySelector("h2").textContent;
    const at = (r) => ({ x: r.left - frame.left + PAD, y: r.top - frame.top + PAD + HEAD });
    const width = Math.max(body.scrollWidth, frame.width) + 2 * PAD,
      height = frame.height + 2 * PAD + HEAD,
      look = getComputedStyle(card);
    const out = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, [
      svg("rect", { width, height, fill: look.backgroundColor }),
      svg("text", {
        x: PAD,
        y: PAD + 8,
        fill: look.color,
        "font-family": look.fontFamily,
        "font-size": "14px",
        "font-weight": "600",
        text: printable(title),
      }),
      svg("text", {
        x: PAD,
        y: PAD + 27,
        fill: hs.color.variable("--hs-ink-3"),
        "font-family": look.fontFamily,
        "font-size": "11.5px",
        text: printable(card.dataset.caption || scope()),
      }),
    ]);
    walk(out, body, at);
    card.classList.remove("hs-picturing");
    return { text: new XMLSerializer().serializeToString(out), width, height };
  }

  async function toPng({ text: source, width, height }) {
    const url = URL.createObjectURL(new Blob([source], { type: "image/svg+xml" })), image = new Image();
    image.src = url;
    await image.decode();
    const scale = Math.min(2, 16000 / Math.max(width, height)), canvas = document.createElement("canvas");
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(url);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }

  hs.picture = async (card, format) => {
    const made = toSvg(card);
    return format === "svg" ? new Blob([made.text], { type: "image/svg+xml" }) : toPng(made);
  };
})();
