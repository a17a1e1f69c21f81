"""Sphinx builds these pages: warnings are errors, the reference is read off docstrings, and no network is needed."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from generators import GENERATORS, api  # noqa: E402

import hwsim  # noqa: E402  # after the path is set

project = "hwsim"
author = "hwsim"
version = release = hwsim.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["evidence"]
default_role = "code"  # what docstrings write in single backquotes
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Codes", "Reals", "Ints")}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
maximum_signature_line_length = 100
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Source"]
html_theme = "furo"
html_title = f"hwsim {version}"
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_copy_source = False
pygments_style = "tango"


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """What a page leaves to the code is written in where it says ``<!-- generated: NAME -->``."""
    for key, made in GENERATORS.items():
        marker = f"<!-- generated: {key} -->"
        if marker in source[0]:
            source[0] = source[0].replace(marker, made())


def setup(app: Sphinx) -> None:
    """Connect the generators; their pages are read anew each time."""
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", api.docstring)
    app.connect("env-get-outdated", lambda _, env, *__: [d for d in env.found_docs if d.startswith("reference/")])
