"""Asks a Dash application as the browser does."""

import json
from typing import Any

from rookery.dashboard.app import make_app
from rookery.dashboard.viewer import Viewer


def answer(viewer: Viewer, output: str, inputs: dict[str, Any], state: dict[str, Any]) -> Any:
    """Ask the application as the browser does."""
    app = make_app(viewer)
    (key,) = [key for key in app.callback_map if output in key]

    def place(name: str) -> dict[str, Any]:
        identity, prop = name.rsplit(".", 1)
        return {"id": json.loads(identity) if identity.startswith("{") else identity, "property": prop}

    def listed(values: dict[str, Any]) -> list[dict[str, Any]]:
        return [place(name) | {"value": value} for name, value in values.items()]

    outputs = [place(one) for one in key.strip(".").split("...")]
    asked = {
        "output": key, "outputs": outputs if key.startswith("..") else outputs[0],
        "inputs": listed(inputs), "state": listed(state), "changedPropIds": list(inputs),
    }  # fmt: skip
    return app.server.test_client().post("/_dash-update-component", json=asked)
