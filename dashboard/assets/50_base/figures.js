/* headscope.figures: every Plotly figure is drawn through here, so that it wears the current theme's template and ramps
   in place of those the server sent. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  let looks = null; // {theme: {template, signed, unsigned}}
  let plotly;

  /** The ramp of the current theme for any theme's ramp; other scales stay. */
  function swap(scale) {
    if (!looks || !Array.isArray(scale)) return scale;
    const text = JSON.stringify(scale);
    for (const kind of ["signed", "unsigned"]) {
      if (Object.values(looks).some((look) => JSON.stringify(look[kind]) === text))
        return looks[hs.theme.current()][kind];
    }
    return scale;
  }

  function themedTrace(trace) {
    const out = { ...trace };
    if (trace.colorscale) out.colorscale = swap(trace.colorscale);
    if (trace.marker?.colorscale) out.marker = { ...trace.marker, colorscale: swap(trace.marker.colorscale) };
    return out;
  }

  function themedLayout(layout) {
    const out = { ...layout, template: looks[hs.theme.current()].template };
    for (const name of Object.keys(out)) {
      if (/^coloraxis\d*$/.test(name) && out[name]?.colorscale)
        out[name] = { ...out[name], colorscale: swap(out[name].colorscale) };
    }
    return out;
  }

  function themed(draw) {
    return (gd, data, layout, config) => {
      if (!looks) return draw(gd, data, layout, config);
      if (data && !Array.isArray(data)) {
        const figure = { ...data, data: (data.data || []).map(themedTrace), layout: themedLayout(data.layout || {}) };
        return draw(gd, figure, layout, config);
      }
      return draw(gd, (data || []).map(themedTrace), themedLayout(layout || {}), config);
    };
  }

  Object.defineProperty(window, "Plotly", {
    configurable: true,
    get: () => plotly,
    set(library) {
      plotly = library;
      if (library && library.react && !library.headscope) {
        plotly = Object.assign(Object.create(library), {
          headscope: true, react: themed(library.react), newPlot: themed(library.newPlot),
        });
      }
    },
  });

  function redraw() {
    if (!plotly || !looks) return;
    document.querySelectorAll(".js-plotly-plot").forEach((gd) => {
      if (gd.data) plotly.react(gd, gd.data, gd.layout, gd._context);
    });
  }
  new MutationObserver(redraw).observe(document.documentElement, {
    attributes: true, attributeFilter: ["data-bs-theme"],
  });

  hs.figures = { looks: (templates) => { looks = looks || templates; }, redraw };
})();
