/* The grid of runs, and keeping grid and address in step.
   The address is the truth. `sync` makes the grid show it; what the user does in the grid is reported to the store
   "runs-reported", becomes an address on the server, and comes back through `sync`. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const { $, el } = hs.dom, { address } = hs.runs;
  const GRID = "runs-grid";
  const shown = () => $(GRID);

  /* ---- what the grid shows, comparable ---------------------------------------------------------------------- */
  const canonical = (model, sort) =>
    JSON.stringify([
      Object.keys(model)
        .sort()
        .map((key) => {
          const { type, filter, filterTo, dateFrom, dateTo } = model[key];
          const day = (text) => (text ? text.slice(0, 10) : null);
          return [
            key,
            type,
            String(filter ?? ""),
            String(type === "inRange" ? (filterTo ?? "") : ""),
            day(dateFrom),
            type === "inRange" ? day(dateTo) : null,
          ];
        }),
      sort.map(({ colId, sort: direction }) => [colId, direction]),
    ]);
  const sortModel = (api) =>
    api
      .getColumnState()
      .filter((c) => c.sort)
      .sort((a, b) => a.sortIndex - b.sortIndex)
      .map(({ colId, sort }) => ({ colId, sort }));
  const gridState = (api) => canonical(api.getFilterModel(), sortModel(api));

  let attached = null; // the grid listened to
  let selected = new Map();
  const seen = new WeakMap(); // row -> the run it showed when last looked at, and whether it was ticked
  let limit = 50;
  let where = null;
  let latest = 0;
  let reported = new Set(); // states this grid reported and the server will echo
  let echoes = new Set(); // selections this grid reported, likewise
  let listed = new Set(); // columns this grid reported, likewise

  /* The columns shown, null where they are those of a link that does not say. */
  let usual = "";
  const columnsShown = (api) =>
    api
      .getColumnState()
      .filter((c) => !c.hide && isField(api, c.colId))
      .map((c) => c.colId);
  const isField = (api, id) => Boolean(api.getColumn(id).getColDef().field);
  const chosenColumns = (api) => ((names) => (keyOf(names) === usual ? null : names))(columnsShown(api));

  function report(api) {
    const state = { filterModel: api.getFilterModel(), sortModel: sortModel(api), columns: chosenColumns(api) };
    reported.add(canonical(state.filterModel, state.sortModel));
    listed.add(keyOf(columnsShown(api)));
    clientside.set_props("runs-reported", { data: state });
  }

  function onSelection(api, event) {
    if (event.source === "api" || event.source === "rowDataChanged") return;
    hear(api);
    showSelection(api);
    reportSelection();
  }

  /** Take over what the user ticked or unticked since we last looked. The grid tells of it in a later task: an answer
      that comes in between must not undo it. */
  function hear(api) {
    api.forEachNode((node) => {
      if (!node.data) return;
      const { id } = node.data,
        last = seen.get(node),
        known = last && last.id === id,
        on = Boolean(node.isSelected());
      if (on && !(known && last.on) && selected.size < limit) selected.set(id, true);
      if (!on && known && last.on) selected.delete(id);
    });
  }

  function reportSelection() {
    echoes.add(keyOf([...selected.keys()]));
    clientside.set_props("runs-selected", { data: [...selected.keys()] });
  }

  const keyOf = (ids) => [...ids].sort().join();
  /** Show the address's selection, unless it is an echo: the user may have ticked further rows since. */
  function select(api, ids) {
    const echo = echoes.has(keyOf(ids));
    if (!echo || keyOf(ids) === keyOf([...selected.keys()])) echoes.clear();
    if (!echo) selected = new Map(ids.map((id) => [id, true]));
    hear(api);
    showSelection(api);
  }

  function showSelection(api) {
    api.forEachNode((node) => {
      if (!node.data) return;
      const on = selected.has(node.data.id);
      if (Boolean(node.isSelected()) !== on) node.setSelected(on, false, "api");
      seen.set(node, { id: node.data.id, on });
    });
  }

  function attach(api) {
    if (attached === api) return false;
    attached = api;
    reported = new Set();
    echoes = new Set();
    listed = new Set();
    api.addEventListener("filterChanged", () => report(api));
    api.addEventListener("sortChanged", () => report(api));
    api.addEventListener("selectionChanged", (event) => onSelection(api, event));
    api.addEventListener("modelUpdated", () => (hear(api), showSelection(api), fit(api)));
    api.addEventListener("cellClicked", open);
    fitted = false;
    return true;
  }

  async function sync(state) {
    const turn = ++latest;
    while (state && !shown() && location.pathname === "/runs") await hs.request.pause(40);
    if (!state || !shown()) return;
    const api = await window.dash_ag_grid.getApiAsync(GRID);
    if (turn !== latest) return; // a newer state came while this one waited for the grid to load
    const fresh = attach(api);
    limit = state.limit;
    showColumns(api, state);
    const early = fresh ? api.getSelectedRows().map((row) => row.id) : []; // ticked before anybody listened
    select(api, [...state.selected, ...early]);
    if (early.length) reportSelection();
    const wanted = canonical(state.filterModel, state.sortModel);
    if (!reported.delete(wanted) && wanted !== gridState(api)) {
      reported.clear();
      api.setFilterModel(state.filterModel);
      const order = state.sortModel.map((entry, sortIndex) => ({ ...entry, sortIndex }));
      api.applyColumnState({ state: order, defaultState: { sort: null } });
    }
    if (!fresh && state.where !== where) api.purgeInfiniteCache();
    where = state.where;
    const field = $("runs-search");
    if (field && field !== document.activeElement && field.value !== state.q)
      clientside.set_props("runs-search", { value: state.q });
  }
  /** Put the changed keys into the address as it is now; every other key keeps its value. */
  function go(change) {
    if (!change) return;
    const pairs = (search) => search.replace(/^\?/, "").split("&").filter(Boolean);
    const kept = pairs(location.search).filter((pair) => !change.keys.includes(pair.split("=")[0]));
    const all = [...kept, ...pairs(change.query)].join("&");
    hs.url.replace("/runs", all ? `?${all}` : "");
  }
  clientside.headscope_runs = { sync: (state) => (sync(state), undefined), go: (change) => (go(change), undefined) };

  /* ---- columns ---------------------------------------------------------------------------------------------- */
  /** Show the address's columns, unless they are an echo: the user may have chosen further ones since. */
  function showColumns(api, state) {
    usual = keyOf(state.default);
    const wanted = keyOf(state.columns), differ = keyOf(columnsShown(api)) !== wanted, echo = listed.has(wanted);
    if (!echo || !differ) listed.clear();
    if (differ && !echo) {
      const fields = api
        .getColumns()
        .map((column) => column.getColId())
        .filter((id) => isField(api, id));
      api.setColumnsVisible(
        fields.filter((id) => !state.columns.includes(id)),
        false,
      );
      api.setColumnsVisible(state.columns, true);
      fitted = false;
      fit(api);
    }
    columnsMenu(api, state.same);
  }

  let fitted = false; // widths follow what is in the columns once, then they are the user's
  function fit(api) {
    const rows = api.getRenderedNodes();
    if (fitted || !rows.length || !rows.some((node) => node.data)) return;
    fitted = true;
    api.autoSizeColumns(
      columnsShown(api).filter((id) => id !== "text"),
      true,
    );
  }

  function columnsMenu(api, same) {
    const columns = api.getColumns().filter((column) => column.getColDef().field);
    $("runs-columns").replaceChildren(
      ...columns.map((column) => {
        const id = column.getColId(),
          box = el("input", { type: "checkbox", checked: column.isVisible() });
        box.addEventListener("change", () => {
          api.setColumnsVisible([id], box.checked);
          fitted = false;
          fit(api);
          report(api);
        });
        const note = id in same ? el("span", { class: "hs-muted", text: `all: ${same[id]}` }) : null;
        return el("label", {}, [box, column.getColDef().headerName, note]);
      }),
    );
  }

  /* ---- rows are links --------------------------------------------------------------------------------------- */
  function open({ data, column, event }) {
    if (!data || !column.getColDef().field || event.target.closest("a") || String(getSelection())) return;
    if (hs.url.plain(event)) hs.url.push(address(data.id));
    else window.open(address(data.id), "_blank", "noopener");
  }
  const rowOf = (event) =>
    event.button === 1 && !event.target.closest("a") && event.target.closest(`#${GRID} .ag-row[row-id]`);
  // no scrolling by the wheel
  document.addEventListener("mousedown", (event) => rowOf(event) && event.preventDefault());
  document.addEventListener("auxclick", (event) => {
    const row = rowOf(event);
    const found = row && attached && attached.getRowNode(row.getAttribute("row-id"));
    if (found && found.data) window.open(address(found.data.id), "_blank", "noopener");
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("#runs-refresh") && attached) attached.refreshInfiniteCache();
  });

  /* ---- keys ------------------------------------------------------------------------------------------------- */
  const focused = () => (attached && attached.getFocusedCell() ? attached.getFocusedCell().rowIndex : -1);
  function move(step) {
    if (!shown()) return false;
    const row = Math.max(0, Math.min(attached.getDisplayedRowCount() - 1, focused() + step));
    attached.ensureIndexVisible(row);
    attached.setFocusedCell(row, "text");
    return true;
  }
  const node = () => (shown() && focused() >= 0 ? attached.getDisplayedRowAtIndex(focused()) : null);
  hs.keys.add("j", () => move(1));
  hs.keys.add("k", () => move(-1));
  hs.keys.add("Enter", (event) => {
    const row = event.target.closest("a, button, summary") ? null : node();
    if (row && row.data) hs.url.push(address(row.data.id));
    return Boolean(row);
  });
  hs.keys.add("c", () => {
    const link = shown() && $("runs-compare");
    if (link) link.click();
    return Boolean(link);
  });
})();
