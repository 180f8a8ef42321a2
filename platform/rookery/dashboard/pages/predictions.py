"""Predictions of a survey: how many of what, how certain, what is flagged, and every object."""

from typing import Any

import dash_ag_grid as dag
import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from rookery.dashboard.figures import plain
from rookery.dashboard.pages import parts
from rookery.dashboard.prediction_files import PredictionFiles, There
from rookery.dashboard.prediction_sums import PredictionSums
from rookery.dashboard.viewer import Viewer
from rookery.reports.charts import predictions as charts
from rookery.reports.charts.model import Chart
from rookery.reports.draw.page import page_figure
from rookery.words import count
from rookery_ensembles.errors import InputError
from rookery_ensembles.exchange.summary import TRUTHS
from rookery_ensembles.further_columns import FLAGS
from rookery_ensembles.target import Target

PATH = "/predictions"
_PAGE = 100
"""Objects of a page of the table."""
_MOST_CLASSES = 12
"""So many classes have a column for their probability."""
_FIGURES = {"predicted": "Answers", "certain": "Certainty", "flagged": "Flags"}
"""Figures of all objects, and what stands above each."""
_HIDDEN, _SEEN = {"display": "none"}, dict[str, str]()
_REDSHIFTS = ("z_median", "z_low_68", "z_high_68", "z_low_95", "z_high_95")
_BESIDE = {"domain_score": "out of domain", "disagreement": "disagreement"}
_TOLD = {**_BESIDE, "domain_score": "domain score", "out_of_domain": "out of domain", "true_class": "truth"}


def layout(viewer: Viewer, query: dict[str, str]) -> Any:
    """Return the page of the predictions that the address names."""
    source = viewer.source(query.get("at"), "predictions")
    if source is None:
        return parts.error_box(f"No predictions are called {query.get('at', '')!r} here.")
    return html.Div(
        [
            *parts.tick("predictions"),
            dcc.Store(id="predictions-key", data=source.key),
            *(dcc.Store(id=f"predictions-{name}") for name in ("paged", "counted")),
            html.H1(source.key),
            html.Div(id="predictions-error"),
            html.Div(id="predictions-facts", className="facts"),
            html.P(id="predictions-note", className="note"),
            html.Div([*_overview(), *_objects(query)], id="predictions-body"),
        ]
    )


def _overview() -> list[Any]:
    """Return the places of the figures of all objects."""
    shown = [
        html.Section([html.H2(title), parts.graph(f"predictions-{name}", 300)], id=f"predictions-{name}-part")
        for name, title in _FIGURES.items()
    ]
    return [html.Div(shown, className="three")]


def _objects(query: dict[str, str]) -> list[Any]:
    """Return the table of objects, and the places of the one that is chosen."""
    table = html.Div(_table(query.get("page", "")), id="predictions-table")
    one = [parts.graph("predictions-object", 420), html.Div(id="predictions-found", className="facts")]
    search = html.Div([parts.typed("id", query.get("id", ""), "object", "object_id")], className="controls")
    return [parts.section("Objects", search, html.Div([table, html.Div(one)], className="two"))]


def register(app: Dash, viewer: Viewer) -> None:
    """Keep the page up to date, send the table's pages, and draw the object that is chosen."""
    _register_objects(app, viewer)

    @app.callback(
        Output("predictions-error", "children"),
        Output("predictions-facts", "children"),
        Output("predictions-note", "children"),
        *(Output(f"predictions-{name}", "figure") for name in _FIGURES),
        Output("predictions-flagged-part", "style"),
        Output("predictions-body", "style"),
        Output("predictions-rows", "columnDefs"),
        Output("predictions-shown", "data"),
        Input("predictions-tick", "n_intervals"),
        State("predictions-key", "data"),
        State("predictions-shown", "data"),
    )
    def update(_: int | None, key: str, before: str | None) -> Any:
        source = viewer.source(key, "predictions")
        same = (no_update,) * 8
        if source is None:
            return parts.error_box(f"{key} is gone."), *same, None
        reader = viewer.predictions(source.path)
        try:
            there = reader.refresh()
        except InputError as error:
            return parts.error_box(str(error)), *same[:6], _HIDDEN, no_update, None
        if reader.version == before:
            return (no_update,) * 10
        sums = reader.sums
        if sums is None:
            waits = "No file is finished yet; what is finished is shown by itself."
            return None, _facts(there, None), waits, *same[2:6], _HIDDEN, no_update, reader.version
        told = None if reader.error is None else parts.error_box(str(reader.error))
        figures = [
            no_update if chart is None else drawn(f"{key} {name}", chart)
            for name, chart in zip(_FIGURES, _charts(sums), strict=True)
        ]
        flagged = _HIDDEN if figures[2] is no_update else _SEEN
        body = _SEEN if sums.objects else _HIDDEN
        columns = _columns(sums.target) if not before or before.split()[2] == "0" else no_update
        words = _facts(there, reader), _note(there, reader, sums)
        return told, *words, *figures, flagged, body, columns, reader.version


def _register_objects(app: Dash, viewer: Viewer) -> None:
    @app.callback(
        Output("predictions-rows", "getRowsResponse"),
        Input("predictions-rows", "getRowsRequest"),
        State("predictions-key", "data"),
    )
    def page(asked: dict[str, Any] | None, key: str) -> Any:
        source = viewer.source(key, "predictions")
        if asked is None or source is None:
            return no_update
        reader = viewer.predictions(source.path)
        for again in (True, False):  # a folder that is finished meanwhile has another name
            try:
                there = reader.refresh(0.0)
                rows = [_row(row) for row in reader.rows(asked["startRow"], asked["endRow"])]
                return {"rowData": rows, "rowCount": there.objects}
            except InputError as error:
                if not again:
                    reader.error = error  # the page tells it
        return {"rowData": [], "rowCount": 0}

    app.clientside_callback(
        ClientsideFunction("rookery", "remember_page"),
        Output("predictions-paged", "data"),
        Input("predictions-rows", "paginationInfo"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("rookery", "more_rows"),
        Output("predictions-counted", "data"),
        Input("predictions-shown", "data"),
        State("predictions-counted", "data"),
    )

    @app.callback(
        Output({"type": "state", "name": "id"}, "value"),
        Input("predictions-rows", "cellClicked"),
        prevent_initial_call=True,
    )
    def click(cell: dict[str, Any] | None) -> Any:
        return cell["rowId"] if cell else no_update

    @app.callback(
        Output("predictions-object", "figure"),
        Output("predictions-found", "children"),
        Input({"type": "state", "name": "id"}, "value"),
        State("predictions-key", "data"),
    )
    def draw(name: str | None, key: str) -> Any:
        source = viewer.source(key, "predictions")
        if source is None or not name:
            return parts.blank("choose an object in the list, or type its object_id"), None
        reader = viewer.predictions(source.path)
        try:
            row, looked = reader.find(name)
            if row is None:
                return parts.blank(f"no object is called {name} among {looked:,}"), None
            return _object(reader, row, f"{key} {name}")
        except InputError as error:
            return parts.blank(str(error)), None


def drawn(key: str, chart: Chart) -> dict[str, Any]:
    """Return a chart as the browser draws it, zoomed as the reader had it while `key` is the same."""
    figure: dict[str, Any] = page_figure(chart).update_layout(uirevision=key).to_plotly_json()
    return figure


def _facts(there: There, reader: PredictionFiles | None) -> list[Any]:
    finished = there.state == "finished"
    pairs: list[tuple[str, object]] = [
        ("objects", there.objects if finished else f"{there.objects:,} of {there.wanted:,}"),
        ("state", there.state),
        ("file" if len(there.files) == 1 else "files", len(there.files)),
    ]
    if reader is not None and reader.sums is not None and reader.info is not None:
        sums, info = reader.sums, reader.info
        pairs += [("predicts", info.target.spoken), ("made by", info.maker)]
        if (width := sums.median_width()) is not None:
            pairs.append(("median width / (1 + z)" if info.target.has_pdfs else "median certainty", width))
        outside, of = there.out_of_domain, there.objects
        if outside is None:
            outside, of = sums.out_of_domain, sums.objects
        if outside is not None and of:
            pairs.append(("out of the domain", f"{100 * outside / of:.3g} %"))
        if sums.flags is not None and sums.objects:
            pairs += [
                (f"flag: {name.replace('_', ' ')}", f"{100 * number / sums.objects:.3g} %")
                for name, number in sums.flags.items()
                if name != "out_of_domain"
            ]
    return parts.facts(pairs)


def _note(there: There, reader: PredictionFiles, sums: PredictionSums) -> str:
    if sums.objects >= there.objects:
        return f"The figures are of all {there.objects:,} objects."
    if reader.error is not None:
        return f"The figures are of the {sums.objects:,} objects that can be read."
    files = count(len(there.files), "file")
    return f"The figures are of {sums.objects:,} objects by now: an even part of {files}."


def _charts(sums: PredictionSums) -> tuple[Chart, Chart, Chart | None]:
    """Return what is predicted, how certain, and what is flagged where anything tells."""
    flags = None if sums.flags is None else charts.flags_chart(sums.flags, sums.objects)
    if sums.target.has_pdfs:
        return (
            charts.redshifts_chart(sums.edges, sums.counts),
            charts.widths_chart(sums.width_edges, sums.widths),
            flags,
        )
    return (
        charts.classes_chart(_names(sums.target), sums.counts, sums.expected),
        charts.certainty_chart(sums.width_edges, sums.widths),
        flags,
    )


def _object(reader: PredictionFiles, row: int, key: str) -> Any:
    """Return the figure of an object, and what is told of it: names below values."""
    told, values = reader.one(row)
    assert reader.info is not None
    target = reader.info.target
    truth = told.get(TRUTHS[target.kind])
    if target.has_pdfs:
        edges, interval = np.asarray(target.edges), (told["z_low_68"], told["z_high_68"])
        chart = charts.pdf_chart(edges, values, interval, truth)
    else:
        chart = charts.probabilities_chart(_names(target), values, None if truth is None else plain(truth))
    words = {True: "yes", False: "no"}
    shown = {name: value for name, value in _row(told).items() if not name.startswith("p_") and value != ""}
    pairs = [(n, words[value] if isinstance(value, bool) else value) for n, value in shown.items()]
    return drawn(key, chart), parts.facts((_TOLD.get(n, n), value) for n, value in pairs)


def _names(target: Target) -> list[str]:
    return [plain(name) for name in target.names]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its flags in words."""
    if (bits := row.get("flags")) is None:
        return row
    return row | {"flags": ", ".join(n.replace("_", " ") for n, bit in FLAGS.items() if bits & bit)}


def _table(page: str) -> dag.AgGrid:
    """Return the table, whose rows come page by page, at the page that an address names, counted from 1."""
    before = max(int(page), 1) - 1 if page.isdecimal() and len(page) < 8 else 0
    return dag.AgGrid(
        id="predictions-rows",
        paginationGoTo=before or None,
        columnDefs=[],
        rowModelType="infinite",
        getRowId="params.data.object_id",
        defaultColDef={"sortable": False, "filter": False, "resizable": True, "minWidth": 70},
        dashGridOptions={
            "pagination": True, "paginationPageSize": _PAGE, "paginationPageSizeSelector": False,
            "cacheBlockSize": _PAGE, "maxBlocksInCache": 10, "suppressFieldDotNotation": True,
            "animateRows": False, "enableCellTextSelection": True,
            "infiniteInitialRowCount": before * _PAGE + 1,  # until the server tells how many there are
        },
        className="table",
        style={"height": "min(720px, 80vh)", "width": "100%"},
    )  # fmt: skip


def _columns(target: Target) -> list[dict[str, Any]]:
    """Return the columns of the table; those that the predictions do not tell stay empty."""
    if target.has_pdfs:
        answers = [parts.column(name, name, "number") for name in _REDSHIFTS]
        truth = parts.column("z_spec", "z_spec", "number")
    else:
        answers = [parts.column("class", "class", width=110)]
        answers += [parts.column(f"p_{n}", f"p({n})", "number") for n in target.names[:_MOST_CLASSES]]
        truth = parts.column("true_class", "truth", width=110)
    more = [parts.column(name, words, "number", width=130) for name, words in _BESIDE.items()]
    found = [parts.column("object_id", "object", pinned="left", width=140), *answers, *more,
             parts.column("flags", "flags", width=180), truth]  # fmt: skip
    return [
        {key: value for key, value in one.items() if key not in ("filter", "comparator")} for one in found
    ]
