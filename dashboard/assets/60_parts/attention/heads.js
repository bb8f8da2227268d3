/* headscope.attention.HeadTable: the head summaries, sortable; and the ranking every view shares. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const attention = (hs.attention = hs.attention || {});
  const { el } = hs.dom;
  const CHUNK = 30;

  /** Heads by a statistic [{layer, head, value}]; unmeasured ones last, ties by layer and head. */
  function ranked(stat, descending = true) {
    const all = stat.values.flatMap((row, layer) => row.map((value, head) => ({ layer, head, value })));
    const sign = descending ? -1 : 1;
    return all.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
      return sign * (a.value - b.value) || a.layer - b.layer || a.head - b.head;
    });
  }

  /** The statistic that is worth a look first, of those that are there: entropy ranks heads that do nothing special. */
  const worth = (heads) =>
    ["induction_lift", "previous_token"].find((name) => heads[name]) || Object.keys(heads)[0] || "";

  function range(stat) {
    const known = stat.values.flat().filter((v) => v !== null);
    const low = known.length ? Math.min(...known) : 0, high = known.length ? Math.max(...known) : 0;
    return { values: stat.values, low, high, signed: low < 0 };
  }

  class HeadTable {
    /** heads: {name: {label, unit, description, values [L][H]}}; on.sort(name), on.pick(layer, head). */
    constructor(heads, on) {
      this.heads = heads;
      this.on = on;
      this.buttons = {};
      const names = Object.keys(heads);
      this.body = el("tbody", {});
      const headers = names.map((name) => {
        this.buttons[name] = el("button", {
          type: "button",
          title: heads[name].description,
          text: heads[name].label,
          onclick: () => on.sort(name),
        });
        return el("th", { scope: "col", "data-stat": name }, [this.buttons[name]]);
      });
      this.root = el("div", { class: "hs-head-list", tabindex: "0", role: "region", "aria-label": "Head summaries" }, [
        el("table", {}, [
          el("thead", {}, [el("tr", {}, [el("th", { scope: "col", text: "Head" }), ...headers])]),
          this.body,
        ]),
      ]);
      this.root.addEventListener("scroll", () => this.more(), { passive: true });
      this.rows = new Map();
      this.list = [];
      this.top = Object.fromEntries(
        names.map((name) => [
          name,
          Math.max(
            ...range(heads[name])
              .values.flat()
              .map((v) => Math.abs(v ?? 0)),
            1e-9,
          ),
        ]),
      );
    }

    row(layer, head) {
      const key = `${layer}.${head}`;
      if (this.rows.has(key)) return this.rows.get(key);
      const cells = Object.entries(this.heads).map(([name, stat]) => {
        const v = stat.values[layer][head];
        return el(
          "td",
          {
            class: v === null ? "unmeasured" : null,
            "--t": v === null ? 0 : (Math.abs(v) / this.top[name]).toFixed(3),
          },
          [el("span", { text: v === null ? "–" : hs.dom.trueMinus(v.toFixed(Math.abs(v) < 10 ? 3 : 1)) })],
        );
      });
      const pick = el("button", {
        type: "button",
        text: `L${layer} H${head}`,
        onclick: () => this.on.pick(layer, head),
      });
      const row = el("tr", { onclick: () => this.on.pick(layer, head) }, [
        el("th", { scope: "row" }, [pick]),
        ...cells,
      ]);
      this.rows.set(key, row);
      return row;
    }

    draw(state) {
      const order = `${state.stat}.${state.descending}`;
      if (order !== this.order && this.heads[state.stat]) {
        this.order = order;
        this.list = ranked(this.heads[state.stat], state.descending);
        this.body.replaceChildren();
        this.grow(CHUNK);
        this.root.scrollTop = 0; // another order begins at its top
        for (const [name, button] of Object.entries(this.buttons)) {
          const on = name === state.stat;
          button.parentElement.setAttribute("aria-sort", on ? (state.descending ? "descending" : "ascending") : "none");
        }
        this.width = null;
      }
      if (this.width !== this.root.clientWidth && this.buttons[state.stat]) {
        // of another order, or in another place
        this.width = this.root.clientWidth;
        this.showColumn(this.buttons[state.stat].parentElement);
      }
      if (this.current) this.current.removeAttribute("aria-current");
      this.selected = { layer: state.layer, head: state.head };
      this.current = this.row(state.layer, state.head);
      this.current.setAttribute("aria-current", "true");
    }

    /** Rows are made as they are scrolled to: hundreds of them at every key press would be most of the Live page's
        work. */
    grow(count) {
      const from = this.body.childElementCount;
      this.body.append(...this.list.slice(from, count).map(({ layer, head }) => this.row(layer, head)));
    }

    more() {
      const box = this.root;
      if (box.scrollTop + 2 * box.clientHeight > box.scrollHeight) this.grow(this.body.childElementCount + 2 * CHUNK);
    }

    /** Bring the sorted column into sight, inside the table only, with whole columns beside the heads' names. */
    showColumn(th) {
      const box = this.root,
        cells = [...th.parentElement.children];
      if (!box.clientWidth) return;
      box.style.setProperty("--spare", "0px");
      const names = cells[0].offsetWidth;
      box.style.setProperty("--names", `${names}px`); // the style sheet lets scrolling stop at whole columns only
      const starts = cells.slice(1).map((cell) => cell.offsetLeft - names),
        room = box.scrollWidth - box.clientWidth;
      const spare = starts.find((start) => start >= room) - room; // the end, too, is where a column starts
      box.style.setProperty("--spare", `${spare || 0}px`);
      const right = th.offsetLeft + th.offsetWidth;
      box.scrollLeft = starts.find((start) => start >= right - box.clientWidth) ?? th.offsetLeft - names;
    }

    /** Bring the selected row into sight, inside the table only. */
    reveal() {
      const { layer, head } = this.selected;
      this.grow(this.list.findIndex((one) => one.layer === layer && one.head === head) + CHUNK);
      const top = this.current.offsetTop,
        box = this.root;
      if (top < box.scrollTop + 30 || top > box.scrollTop + box.clientHeight - 30)
        box.scrollTop = top - box.clientHeight / 2;
    }
  }

  Object.assign(attention, { HeadTable, ranked, range, worth });
})();
