"""Parts that pages share: facts, tabs, tables and figures that keep what the reader has done to them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import dash_ag_grid as dag
from dash import dcc, html

from rookery.dashboard.figures import plain
from rookery.dashboard.sources import Source

TICK = 2000
"""Milliseconds between two looks of an open page."""
PATHS = {
    "study": "/study", "campaign": "/campaign", "bundle": "/ensemble", "predictions": "/predictions",
}  # fmt: skip


def href(path: str, **query: object) -> str:
    """Return the address of a view."""
    given = {name: str(value) for name, value in query.items() if value is not None}
    return path + (f"?{urlencode(given)}" if given else "")


def address_of(source: Source) -> str:
    """Return the address of the page of a study, campaign or bundle, or of predictions."""
    return href(PATHS[source.kind], at=source.key)


def parsed(search: str | None) -> dict[str, str]:
    """Return what stands behind the ? of an address."""
    return dict(parse_qsl((search or "").lstrip("?")))


def tick(page: str, shown: str | None = None) -> list[Any]:
    """Return the clock of a page, and the place where it keeps which version it shows."""
    return [dcc.Interval(id=f"{page}-tick", interval=TICK), dcc.Store(id=f"{page}-shown", data=shown)]


def tabs(path: str, key: str, views: Mapping[str, str], current: str) -> html.Nav:
    """Return links to the views of a page, by their words."""
    links = [
        dcc.Link(
            words, href=href(path, at=key, view=view), className="view here" if view == current else "view"
        )
        for view, words in views.items()
    ]
    return html.Nav(links, className="views")


def facts(pairs: Iterable[tuple[str, object]]) -> list[html.Div]:
    """Return numbers with their names below; those that are None are left out."""
    return [
        html.Div(
            [html.Div(shown(value), className="value"), html.Div(name, className="name")], className="fact"
        )
        for name, value in pairs
        if value is not None
    ]


def shown(value: object) -> str:
    """Return a value as people read it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,d}" if isinstance(value, int) else f"{value:.4g}"


def hours(value: float | None) -> str | None:
    """Return a time in hours as people say it."""
    if value is None:
        return None
    if value < 1 / 60:
        return f"{value * 3600:.2g} s"
    return f"{value * 60:.0f} min" if value < 1 else f"{value:,.1f} h"


def section(title: str, *children: Any, note: str = "") -> html.Section:
    """Return a part of a page under its title."""
    words = [html.P(note, className="note")] if note else []
    return html.Section([html.H2(title), *words, *children])


def separated(shown: Iterable[Any]) -> list[Any]:
    """Return parts of a line with dots between them."""
    return [one for each in shown for one in (" · ", each)][1:]


def error_box(message: str) -> html.Div:
    """Return an error as the page tells it."""
    return html.Div(message, className="error", role="alert")


def graph(name: str, height: int = 340) -> dcc.Graph:
    """Return the place of a figure, which can be saved as a picture."""
    config = {
        "displaylogo": False,
        "responsive": True,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
        "toImageButtonOptions": {"format": "svg", "filename": name},
    }
    return dcc.Graph(
        id=name, figure=blank(), config=config, style={"height": f"{height}px"}, className="figure"
    )


def blank(words: str = "") -> dict[str, Any]:
    """Return a figure without data, and why."""
    note = {"text": plain(words), "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    axis = {"visible": False}
    return {"data": [], "layout": {"xaxis": axis, "yaxis": axis, "annotations": [note] if words else []}}


def zoomed(figure: dict[str, Any], last: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a figure as far zoomed as the reader had it: `last` is what plotly.js told of that."""
    for axis in ("xaxis", "yaxis"):
        ends = [(last or {}).get(f"{axis}.range[{end}]") for end in (0, 1)]
        if None not in ends and axis in figure["layout"]:
            figure["layout"][axis] |= {"range": ends, "autorange": False}
    return figure


def choice(name: str, options: Mapping[str, str], value: str, label: str) -> html.Label:
    """Return a list to choose from, whose choice stands in the address under `name`."""
    listed = [{"value": key, "label": words} for key, words in options.items()]
    chosen = value if value in options else next(iter(options), None)
    return html.Label(
        [
            html.Span(label),
            dcc.Dropdown(
                listed,
                chosen,
                id={"type": "state", "name": name},
                clearable=False,
                searchable=len(options) > 9,
            ),
        ],
        className="choice",
    )


def typed(name: str, value: str, label: str, hint: str, title: str = "") -> html.Label:
    """Return a line to type in, whose text stands in the address under `name`."""
    line = dcc.Input(
        id={"type": "state", "name": name}, value=value, debounce=True, placeholder=hint, className="search"
    )
    return html.Label([html.Span(label), line], className="choice", title=title)


def grid(
    name: str, columns: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], row_id: str,
    query: Mapping[str, str] | None = None, height: int | None = 460, **options: Any,
) -> dag.AgGrid:  # fmt: skip
    """Return a table that can be sorted and filtered; how it is stands in the address."""
    given = query or {}
    try:
        filters = json.loads(given.get(f"{name}-filter") or "{}")
    except ValueError:
        filters = {}
    usual = ",".join(f"{one['sort']} {one['field']}" for one in columns if "sort" in one) or "none"
    settings = {"suppressFieldDotNotation": True, "animateRows": False, "enableCellTextSelection": True,
                "alwaysMultiSort": False, "tooltipShowDelay": 300, "context": {"sort": usual},
                **options}  # fmt: skip
    if height is None:
        settings["domLayout"] = "autoHeight"
    return dag.AgGrid(
        id={"type": "grid", "name": name},
        columnDefs=_sorted(columns, given.get(f"{name}-sort", usual)),
        rowData=list(rows),
        getRowId=f"params.data.{row_id}",
        defaultColDef={"sortable": True, "filter": True, "resizable": True, "minWidth": 70},
        filterModel=filters if isinstance(filters, dict) else {},
        dashGridOptions=settings,
        csvExportParams={"fileName": f"{name}.csv"},
        className="table",
        style={"height": None if height is None else f"{height}px", "width": "100%"},
    )


def _sorted(columns: Sequence[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    """Return the columns sorted as an address says: ``desc best,asc name``, or ``none``."""
    order = [word.split(" ", 1)[::-1] for word in wanted.split(",") if word.startswith(("asc ", "desc "))]
    places = {field: {"sort": way, "sortIndex": place} for place, (field, way) in enumerate(order)}
    bare = [{key: value for key, value in one.items() if key != "sort"} for one in columns]
    return [one | places.get(one["field"], {}) for one in bare]


def height(rows: Sequence[Any]) -> int | None:
    """Return the height of a table in pixels: that of its rows (None) where they are few."""
    return None if len(rows) < 12 else 560


def column(name: str, words: str, kind: str = "text", **more: Any) -> dict[str, Any]:
    """Return a column of a table: text, number, link, state or time."""
    base: dict[str, Any] = {"field": name, "headerName": words}
    if kind in ("number", "percent", "hours"):
        base |= {
            "type": "rightAligned",
            "filter": "agNumberColumnFilter",
            "valueFormatter": {"function": f"rookery_{kind}(params.value)"},
            "comparator": {"function": "rookery_last"},
            "width": 110,
        }
    elif kind == "estimate":
        base |= {
            "type": "rightAligned",
            "filter": "agNumberColumnFilter",
            "cellRenderer": "RookeryEstimate",
            "width": 150,
        }
    elif kind == "link":
        base |= {"cellRenderer": "RookeryLink", "cellRendererParams": {"href": f"{name}_href"}}
    elif kind == "state":
        base |= {"cellRenderer": "RookeryState", "width": 120}
    elif kind == "progress":
        base |= {"cellRenderer": "RookeryProgress", "cellDataType": False, "width": 215, "filter": False}
    elif kind == "time":
        base |= {"valueFormatter": {"function": "rookery_time(params.value)"}, "width": 150}
    return base | more


def told(value: object) -> str:
    """Return a value of a table's cell; a dash where there is none."""
    return "–" if value is None else shown(value)


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[Any]], best: int | None = None) -> html.Div:
    """Return a small table that is only read; the row `best` stands out."""
    body = [
        html.Tr([html.Td(cell) for cell in row], className="best" if number == best else None)
        for number, row in enumerate(rows)
    ]
    head = html.Thead(html.Tr([html.Th(name) for name in heads]))
    return html.Div(html.Table([head, html.Tbody(body)], className="plain"), className="scroll")
