"""From a record to what a page shows of it: pure functions that give HTML on one line."""

from kvmdocs.render.notice import notice, problem
from kvmdocs.render.page import failed, skipped, transcript
from kvmdocs.render.places import linked
from kvmdocs.render.stamp import stamp
from kvmdocs.render.words import Language

__all__ = ["Language", "failed", "linked", "notice", "problem", "skipped", "stamp", "transcript"]
