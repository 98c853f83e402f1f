"""How the documentation is built: ``sphinx-build -W --keep-going -n docs docs/_build``."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for `extension`

project = "gradcheck"
author = "the authors of gradcheck"
copyright = "the authors of gradcheck, under the MIT licence"
version = release = installed("gradcheck")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "extension",
]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
smartquotes = False  # quotes and -- are code here

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False

nitpicky = True
nitpick_ignore_regex = [  # types of others: nothing is fetched to link to them
    ("py:.*", r"(numpy|np|collections|typing|pathlib|enum|msgspec|pytest|hypothesis)\..*"),
    ("py:class", r"Any|Callable|Mapping|Sequence|Iterable|Literal|Number|T|F|optional|callable"),
    ("py:class", r"ndarray|array|float64|.*\._.*|dict\[str"),
    ("py:class", r"gradcheck\.registry\.(T|F|Decorator|GraphDecorator)"),
    ("py:class", r"gradcheck\.(node\.Node|graphs\..*|model\.\w+)"),
]

html_theme = "furo"
html_title = "gradcheck"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
pygments_style = "friendly"
