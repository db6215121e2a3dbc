"""A built site as one PDF for each language: cover, contents, every page of the navigation in its order, and bookmarks.

Chromium prints the pages with the site's own style sheets for paper (`kvmdocs.site.pdf.chromium`); `kvmdocs.site.pdf.join` puts them together so that a link to
another page of the book leads there. Nothing of it happens in a build that does not ask for it.
"""

from kvmdocs.site.pdf.chromium import program
from kvmdocs.site.pdf.printing import Printed, print_site

__all__ = ["Printed", "print_site", "program"]
