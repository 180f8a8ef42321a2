// What tables and addresses need in the browser. No network: everything is served by the dashboard itself.
var dagfuncs = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
var dagcomponents = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});

dagfuncs.rookery_number = function (value) {
  if (value === null || value === undefined || value === "") return "";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : value.toPrecision(4);
};
// Rows without a value stand last, whichever way is sorted.
dagfuncs.rookery_last = function (a, b, nodeA, nodeB, inverted) {
  const none = (value) => value === null || value === undefined;
  if (none(a) || none(b)) return none(a) && none(b) ? 0 : (none(a) ? 1 : -1) * (inverted ? -1 : 1);
  return a < b ? -1 : a > b ? 1 : 0;
};
dagfuncs.rookery_hours = function (value) {
  if (value === null || value === undefined) return "";
  if (value < 1 / 60) return (value * 3600).toPrecision(2) + " s";
  if (value < 1) return Math.round(value * 60) + " min";
  return value.toFixed(1) + " h";
};
dagfuncs.rookery_time = function (value) {
  return value ? String(value).replace("T", " ").slice(0, 16) : "";
};
dagfuncs.rookery_done = function (a, b) {
  return (a ? a[0] : -1) - (b ? b[0] : -1);
};

function go(event, href) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  window.history.pushState({}, "", href);
  window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
  window.scrollTo(0, 0);
}
dagcomponents.RookeryLink = function (props) {
  const href = props.data && props.data[props.href];
  if (!href) return String(props.value ?? "");
  return React.createElement("a", { href: href, onClick: (event) => go(event, href) }, String(props.value ?? ""));
};
dagcomponents.RookeryEstimate = function (props) {
  const error = props.data && props.data[props.colDef.field + " error"];
  const value = dagfuncs.rookery_number(props.value);
  return typeof error === "number" ? value + " ± " + Number(error.toPrecision(2)) : value;
};
dagcomponents.RookeryState = function (props) {
  const word = String(props.value ?? "");
  return React.createElement("span", { className: "state " + word.replace(/[^a-z]/g, "-") }, word);
};
dagcomponents.RookeryProgress = function (props) {
  if (!props.value) return null;
  const [done, wanted] = props.value;
  const told = (number) => (number < 1e5 ? String(number) : number.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 }));
  const words = wanted ? told(done) + " of " + told(wanted) : told(done);
  const exact = wanted ? done.toLocaleString("en") + " of " + wanted.toLocaleString("en") : words;
  const part = wanted ? Math.min(100, (100 * done) / wanted) : 0;
  return React.createElement(
    "span",
    { className: "progress", title: exact },
    wanted ? React.createElement("span", { className: "bar" }, React.createElement("span", { style: { width: part + "%" } })) : null,
    React.createElement("span", null, words)
  );
};

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  rookery: {
    // Choices, filters and sorting stand in the address, without a new entry in the browser's history.
    remember: function (values, filters, columns, options) {
      const address = new URL(window.location.href);
      const [chosen, tables, sorted] = window.dash_clientside.callback_context.inputs_list;
      const keep = (name, value) => (value ? address.searchParams.set(name, value) : address.searchParams.delete(name));
      (chosen || []).forEach((one) => {
        if (one.value !== undefined && one.value !== null) address.searchParams.set(one.id.name, one.value);
      });
      (tables || []).forEach((one) => {
        if (one.value) keep(one.id.name + "-filter", Object.keys(one.value).length ? JSON.stringify(one.value) : "");
      });
      (sorted || []).forEach((one, place) => {
        if (!one.value) return;
        const order = one.value.filter((column) => column.sort).sort((a, b) => a.sortIndex - b.sortIndex);
        const words = order.map((column) => column.sort + " " + column.colId).join(",") || "none";
        keep(one.id.name + "-sort", words === options[place].context.sort ? "" : words);
      });
      if (address.href !== window.location.href) window.history.replaceState(window.history.state, "", address.href);
      return window.dash_clientside.no_update;
    },
    // So does the page of a long table, but for the first one.
    remember_page: function (info) {
      const address = new URL(window.location.href);
      if (info && address.pathname === "/predictions") {
        if (info.currentPage) address.searchParams.set("page", info.currentPage + 1);
        else address.searchParams.delete("page");
        if (address.href !== window.location.href) window.history.replaceState(window.history.state, "", address.href);
      }
      return window.dash_clientside.no_update;
    },
    // A long table asks again for the rows that it shows when there are more of them than before.
    more_rows: function (version, before) {
      const counted = (version || "").split(" ")[1];
      if (counted && before && counted !== before) {
        const table = window.dash_ag_grid.getApi("predictions-rows");
        if (table) table.refreshInfiniteCache();
      }
      return counted || null;
    },
    theme: function (clicks, kept) {
      const system = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      let theme = kept || system;
      if (clicks && window.dash_clientside.callback_context.triggered.some((one) => one.prop_id.startsWith("theme-button"))) {
        theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      }
      document.documentElement.dataset.theme = theme;
      document.body.dataset.agThemeMode = theme;
      return clicks ? theme : window.dash_clientside.no_update;
    },
  },
});
