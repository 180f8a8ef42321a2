"""The web pages of studies, campaigns and bundles, for looking only."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rookery.dashboard.server import Dashboard, make_server, serve

__all__ = ["Dashboard", "make_server", "serve"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # what only lists folders waits for no server
        from rookery.dashboard import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
