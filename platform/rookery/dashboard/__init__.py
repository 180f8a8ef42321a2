"""The web page of a study: optuna-dashboard on the study's own storage, for looking only."""

from rookery.dashboard.server import Dashboard, make_server, serve

__all__ = ["Dashboard", "make_server", "serve"]
