"""Rendering of records as HTML. Pure functions; each returns HTML on one line."""

from kvmdocs.core.words import Language
from kvmdocs.render.anchors import Anchors, names
from kvmdocs.render.banner import notice, problem
from kvmdocs.render.page import blocked, failed, skipped, transcript
from kvmdocs.render.places import linked
from kvmdocs.render.stamp import stamp
from kvmdocs.render.tabs import Tabs, python_of

__all__ = [
    "Anchors",
    "Language",
    "Tabs",
    "blocked",
    "failed",
    "linked",
    "names",
    "notice",
    "problem",
    "python_of",
    "skipped",
    "stamp",
    "transcript",
]
