"""The documentation site: what Sphinx reads, and how docstrings and examples become pages.

Docstrings are written to be read in a terminal: indented lines before the first section are formulas, and ``A_l``,
``|W|`` or ``X * s`` mean just that.  `plain_text` tells reStructuredText so.  The gallery is made from a copy of
``examples/`` whose opening docstrings have a headline.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
from pathlib import Path

import fastnn

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE / "_build" / "examples"
FULL = bool(os.environ.get("FASTNN_DOCS_FULL"))  # the examples at their full size: many minutes, with real data better

project = "fastnn"
author = "The fastnn developers"
copyright = "The fastnn developers"
version = release = fastnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.ipynb", "gallery/*.py", "gallery/*.md5", "gallery/*.zip", "gallery/*.json"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's Parameters say it in words
add_module_names = False
suppress_warnings = ["config.cache"]  # the functions among the gallery's settings cannot be pickled
nitpicky = False

html_theme = "alabaster"
html_title = f"fastnn {version}"
html_theme_options = {
    "description": "Dense neural networks on the CPU, from NumPy arrays",
    "page_width": "1100px",
    "sidebar_width": "230px",
    "fixed_sidebar": True,
    "show_powered_by": False,
}
html_show_sourcelink = False


# ---- docstrings

SECTION = re.compile(r"^-{3,}$")
SPOKEN = re.compile(r"(``.+?``|`[^`]+`)")
SPECIAL = re.compile(r"(\*|\||(?<=\w)_(?=\W|$))")


def plain_text(app, what, name, thing, options, lines):
    """Make formulas literal blocks, and escape what reStructuredText would take for marks in the rest."""
    made, section, literal, example = [], "", False, False
    for i, line in enumerate(lines):
        if i + 1 < len(lines) and SECTION.match(lines[i + 1].strip()) and line.strip():
            section, literal = line.strip(), False
        indented = line.startswith("    ")
        if section in ("", "Notes") and indented and not literal and (not made or not made[-1].strip()):
            if not (made and len(made) > 1 and made[-2].rstrip().endswith("::")):
                made += ["::", ""]
            literal = True
        if line.strip() and not indented:
            literal = False
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        made.append(line if literal or example or SECTION.match(line.strip()) else escaped(line))
    lines[:] = made


def escaped(line):
    """Return a line with its marks escaped, but those within backquotes."""
    parts = SPOKEN.split(line)
    parts[::2] = [SPECIAL.sub(r"\\\1", part) for part in parts[::2]]
    return "".join(part if part.startswith("``") or not part.startswith("`") else f"`{part}`" for part in parts)


# ---- pages that are also read where the sources lie

LINK = re.compile(r"\[([^]]+)\]\(((?:\.\./)+[\w/]+\.md)\)")
HERE_TOO = {"CHANGELOG.md": "/changelog.md", "benchmarks/README.md": "/benchmarks.md"}


def stay_inside(app, docname, source):
    """Lead a link to a Markdown file outside this folder to the page that includes it, else leave only its text."""

    def lead(link):
        target = (HERE / docname).parent.joinpath(link[2]).resolve()
        if target.is_relative_to(HERE):
            return link[0]
        page = HERE_TOO.get(target.relative_to(HERE.parent).as_posix())
        return f"[{link[1]}]({page})" if page else link[1]

    source[0] = LINK.sub(lead, source[0])


# ---- the gallery


def copy_examples():
    """Copy the examples, each with its docstring's first sentence as a headline."""
    shutil.rmtree(EXAMPLES, ignore_errors=True)
    EXAMPLES.mkdir(parents=True)
    size = "at full size" if FULL else "at the small size of the tests; `python examples/NAME.py` runs them in full"
    size = size.replace("`", "``")
    (EXAMPLES / "GALLERY_HEADER.rst").write_text(
        f"Gallery\n=======\n\nThe notes as running programs. What is printed and drawn here was made {size}.\n"
    )
    for path in sorted((HERE.parent / "examples").glob("*.py")):
        (EXAMPLES / path.name).write_text(with_headline(path.read_text()))


def with_headline(text):
    """Return an example whose docstring is reStructuredText with a headline."""
    told = ast.get_docstring(ast.parse(text), clean=True)
    title, _, rest = told.partition("\n\n")
    headline, _, subtitle = " ".join(title.split()).partition(": ")
    lines = [subtitle[:1].upper() + subtitle[1:], "", *rest.splitlines()] if subtitle else rest.splitlines()
    plain_text(None, "module", "", None, None, lines)
    headline = headline.rstrip(".")
    body = "\n".join([headline, "=" * len(headline), "", *lines])
    first = ast.parse(text).body[0]
    source = text.splitlines()[first.end_lineno :]
    return f'r"""\n{body}\n"""\n' + "\n".join(source) + "\n"


def arguments_of(gallery_conf, script_vars):
    """Return the command line that an example is run with: its options are those of kit, or --epochs."""
    text = Path(script_vars["src_file"]).read_text()
    if "kit.options" in text:
        return ["--out", "pictures", *([] if FULL else ["--quick"])]
    return ["--out", "pictures", *([] if FULL else ["--epochs", "3"])]


copy_examples()
sphinx_gallery_conf = {
    "examples_dirs": [str(EXAMPLES)],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r".",
    "ignore_pattern": r"kit\.py",
    "reset_argv": arguments_of,
    "abort_on_example_error": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
    "copyfile_regex": r"kit\.py",
}


def setup(app):
    """Connect `plain_text` ahead of numpydoc, which reads what it leaves, and `stay_inside`."""
    app.connect("source-read", stay_inside)
    app.connect("autodoc-process-docstring", plain_text, priority=400)
