"""An ensemble of light-curve networks as a science module of the Fink broker, which needs no Rookery.

`module/` holds the files that such a module shares with all others, as they are copied.
"""

from rookery.inference.fink.export import export_science_module

__all__ = ["export_science_module"]
