"""Builds the documentation's site: `tox -e docs`, and Read the Docs by `.readthedocs.yaml`."""

from importlib.metadata import version as installed_version

project = "wagtail-smart-resize"
author = "the wagtail-smart-resize developers"
copyright = author
release = version = installed_version("wagtail-smart-resize")

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["images/*.py"]
# The tables compare many things, and each heading can be linked to.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
# A name that leads nowhere is an error in the gate.
nitpicky = True

html_theme = "furo"
html_title = f"wagtail-smart-resize {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_theme_options = {
    "source_repository": "https://github.com/wagtail-smart-resize/wagtail-smart-resize/",
    "source_branch": "main",
    "source_directory": "docs/",
}
# What "$" and ">>>" prompt for is not copied.
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
