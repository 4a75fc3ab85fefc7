# SPDX-License-Identifier: GPL-2.0
"""Sphinx: the documents are plain docutils texts that link to each other's files.

What Sphinx wants besides, a table of contents and references by name, is made
of these links here.
"""
import re

project = "npt"
copyright = "the npt authors"
root_doc = "index"
html_theme = "alabaster"
html_show_copyright = False
exclude_patterns = ["html", "netlink", "man"]

LINK = re.compile(r"`([^`<]+) <([\w-]+)\.rst>`_")


def adapt(app, name, source):
    """Turn links between documents into references; give the index a tree."""
    linked = LINK.findall(source[0])
    source[0] = LINK.sub(r":doc:`\1 <\2>`", source[0])
    if name == app.config.root_doc:
        source[0] += "\n.. toctree::\n   :hidden:\n\n"
        source[0] += "".join(f"   {target}\n" for _, target in linked)


def setup(app):
    app.connect("source-read", adapt)
    return {"parallel_read_safe": True}
