"""The web pages of studies, campaigns and bundles, for looking only."""

from rookery.dashboard.server import Dashboard, make_server, serve

__all__ = ["Dashboard", "make_server", "serve"]
