"""Joining of printed pages to one PDF with links, bookmarks and page labels.

A link between two pages of the site is printed as a ``file:`` address. It becomes a link within the PDF: to the named
destination in the other page if there is one, else to that page's top. A link to another file of the site, such as a log,
becomes a link to the published site; without a published address the link is removed and its text stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from pypdf import PdfReader, PdfWriter
from pypdf.constants import PageLabelStyle
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    FloatObject,
    IndirectObject,
    NameObject,
    NullObject,
    PdfObject,
    TextStringObject,
)

LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Bookmark:
    """Bookmark.

    Attributes:
        title: Its text.
        depth: Its depth; 0 for the outermost.
        uri: Its target, written like a link in a printed page; "" for a section, which takes the target of the next bookmark
            that has one.
    """

    title: str
    depth: int
    uri: str = ""


@dataclass(frozen=True)
class PrintedPage:
    """Page of the site as PDF.

    Attributes:
        uri: The address it was printed from; "" if no page links to it.
        data: The PDF.
    """

    uri: str
    data: bytes


@dataclass
class _Position:
    """Position of a part in the PDF.

    Attributes:
        first: Number of its first sheet, from 0.
        names: Its named destinations: number of the sheet, distance from the left and from the lower edge in points.
    """

    first: int
    names: dict[str, tuple[int, PdfObject, PdfObject]] = field(default_factory=dict)


def pages(data: bytes) -> int:
    """Return the number of sheets of a PDF."""
    return len(PdfReader(BytesIO(data)).pages)


class Book:
    """PDF that is joined from printed pages.

    Args:
        folder: Address of the folder that the pages were printed from, with a trailing slash.
        published: Address where that folder is published, with a trailing slash; "" if it is not. An address of this host
            counts as "".
        front: Number of parts at the beginning whose sheets have roman numbers.
    """

    def __init__(self, folder: str, published: str, *, front: int = 1) -> None:
        self._folder = folder
        self._published = published if urlsplit(published).hostname not in LOCAL else ""
        self._front = front
        self._writer = PdfWriter()
        self._positions: dict[str, _Position] = {}

    def join(self, parts: list[PrintedPage], bookmarks: list[Bookmark], properties: Mapping[str, str]) -> bytes:
        """Join the parts and return the PDF.

        Args:
            parts: The parts in order.
            bookmarks: The bookmarks in order.
            properties: Document information, such as ``/Title``.
        """
        sheets = [self._add(part) for part in parts]
        body = sheets[self._front].start if len(sheets) > self._front else 0
        for part, numbers in zip(parts, sheets, strict=True):
            for number in numbers:
                self._rewrite_links(part, number)
        self._add_bookmarks(bookmarks)
        if body:
            self._writer.set_page_label(0, body - 1, style=PageLabelStyle.LOWERCASE_ROMAN)
        self._writer.set_page_label(body, len(self._writer.pages) - 1, style=PageLabelStyle.DECIMAL, start=1)
        self._writer.add_metadata(dict(properties))
        self._writer.page_mode = "/UseOutlines"
        self._writer.compress_identical_objects(remove_duplicates=True, remove_unreferenced=True)
        out = BytesIO()
        self._writer.write(out)
        return out.getvalue()

    def _add(self, part: PrintedPage) -> range:
        """Append a part; return the numbers of its sheets."""
        reader = PdfReader(BytesIO(part.data))
        position = _Position(len(self._writer.pages))
        for page in reader.pages:
            self._writer.add_page(page)
        for name, target in reader.named_destinations.items():
            number = reader.get_destination_page_number(target)
            if number is not None:
                left, top = target.left or NullObject(), target.top or NullObject()
                position.names[name.lstrip("/")] = (position.first + number, left, top)
        self._positions[part.uri] = position
        return range(position.first, len(self._writer.pages))

    def _rewrite_links(self, part: PrintedPage, number: int) -> None:
        """Rewrite the links of a sheet; remove those without a target for the PDF's reader."""
        page = self._writer.pages[number]
        kept = ArrayObject()
        for item in page.get("/Annots", ArrayObject()):
            link = item.get_object()
            uri = _uri(link, part.uri)
            if link.get("/Subtype") != "/Link" or uri is None or self._set_target(link, uri):
                kept.append(item)
        if "/Annots" in page:
            page[NameObject("/Annots")] = kept

    def _set_target(self, link: DictionaryObject, uri: str) -> bool:
        """Point a link at an address as the PDF's reader can reach it; return False if there is none."""
        target = self._target(uri)
        if target is not None:
            link.pop("/A", None)
            link[NameObject("/Dest")] = target
            return True
        if uri.startswith(self._folder) and self._published:
            uri = urljoin(self._published, uri.removeprefix(self._folder))
        elif urlsplit(uri).scheme not in {"http", "https", "mailto"} or urlsplit(uri).hostname in LOCAL:
            return False
        link.pop("/Dest", None)
        link[NameObject("/A")] = DictionaryObject(
            {NameObject("/S"): NameObject("/URI"), NameObject("/URI"): TextStringObject(uri)}
        )
        return True

    def _target(self, uri: str) -> ArrayObject | None:
        """Return the PDF destination of an address; None if its page is not in the PDF.

        An unknown fragment leads to the page's top.
        """
        address, fragment = urldefrag(uri)
        position = self._positions.get(address)
        if position is None:
            return None
        number, left, top = position.names.get(unquote(fragment), (position.first, NullObject(), NullObject()))
        reference = self._writer.pages[number].indirect_reference
        assert reference is not None  # pypdf sets it on every page that it writes
        return ArrayObject([reference, NameObject("/XYZ"), left, top, FloatObject(0)])

    def _add_bookmarks(self, bookmarks: list[Bookmark]) -> None:
        parents: list[IndirectObject] = []
        for number, bookmark in enumerate(bookmarks):
            uri = next((following.uri for following in bookmarks[number:] if following.uri), "")
            target = self._target(uri)
            if target is None:
                continue
            del parents[bookmark.depth :]
            item = self._writer.add_outline_item(
                title=bookmark.title,
                page_number=None,
                parent=parents[-1] if parents else None,
                is_open=bookmark.depth == 0 and not bookmark.uri,
            )
            cast("DictionaryObject", item.get_object())[NameObject("/Dest")] = target
            parents.append(item)


def _uri(link: DictionaryObject, here: str) -> str | None:
    """Return the address that a printed link leads to; None for other annotations."""
    name = link.get("/Dest")
    if isinstance(name, str):
        return f"{here}#{name.lstrip('/')}"
    action = link.get("/A", DictionaryObject()).get_object()
    uri = action.get("/URI") if isinstance(action, DictionaryObject) else None
    return str(uri) if uri is not None else None


def uris(data: bytes) -> Iterator[str]:
    """Yield each address outside of a PDF that its links lead to."""
    for page in PdfReader(BytesIO(data)).pages:
        for item in page.get("/Annots", ArrayObject()):
            if (uri := _uri(item.get_object(), "")) and not uri.startswith("#"):
                yield uri


def write(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(data)
    temporary.replace(path)
