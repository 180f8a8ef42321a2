"""The site of the documentation: `make site`. It needs no network, and the pages read well without it too."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "Rookery"
author = "the Rookery developers"
release = version = importlib.import_module("rookery").__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "numpydoc",
    "house",
    "verb_pages",
]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_output_stderr = "remove"
exclude_patterns = ["_build", "_extensions", "results/*.md"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
autosummary_generate = False
autodoc_typehints = "none"  # numpydoc's parameters say it in words
numpydoc_show_class_members = False
html_theme = "pydata_sphinx_theme"
html_title = "Rookery"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": True,
    "secondary_sidebar_items": ["page-toc"],
}
html_show_sourcelink = False
templates_path: list[str] = []
