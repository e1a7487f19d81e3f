"""How `make docs` builds this folder into a site."""

from importlib import metadata

project = "unlabeled"
author = "the unlabeled authors"
copyright = "2026, the unlabeled authors"
release = metadata.version("unlabeled")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"unlabeled {release}"
html_show_sphinx = False
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
