"""Pages of one file: style, script, plotly.js and data inside, so that they open anywhere, offline."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from rookery.reports.charts.model import Chart
from rookery.reports.draw.page import page_figure

_TEMPLATES = "templates"


def render(template: str, **values: Any) -> str:
    """Fill a template of this package; every value is escaped unless it is markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, _TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(template).render(**values)


def render_page(template: str, charts: Mapping[str, Chart], **values: Any) -> str:
    """Fill a page's template; charts are drawn where the template has a plot of their name."""
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    folder = files(__package__) / _TEMPLATES
    # "</" would end the script element that the data stand in; "<\/" is the same to JSON.
    data = json.dumps(
        {name: json.loads(page_figure(chart).to_json()) for name, chart in charts.items()}
    ).replace("</", "<\\/")
    return render(
        template,
        style=Markup((folder / "style.css").read_text(encoding="utf-8")),
        script=Markup((folder / "figures.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
        figures=Markup(data),
        **values,
    )
