"""A built site as one PDF per language: cover, contents, every page of the navigation in its order, and bookmarks.

Chromium prints the pages with the site's own style sheets for paper (`kvmdocs.site.pdf.chromium`). `kvmdocs.site.pdf.join`
joins them, so that a link to another page leads to its place in the PDF. This runs only in builds that ask for a PDF.
"""

from kvmdocs.site.pdf.chromium import program
from kvmdocs.site.pdf.printing import Printed, print_site

__all__ = ["Printed", "print_site", "program"]
