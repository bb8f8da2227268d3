/* Charts: a click on a part of the figure goes to the runs behind it. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});

  clientside.headscope_charts = {
    /** `hrefs` by number; a point has its number third in its customdata, a box is one trace. */
    go(click, hrefs) {
      const point = click?.points?.[0];
      if (!point) return;
      const href = (hrefs || [])[point.customdata?.[2] ?? point.curveNumber];
      if (href) hs.url.push(href);
    },
  };
})();
