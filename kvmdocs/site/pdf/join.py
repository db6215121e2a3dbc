"""Joining printed pages: one PDF whose links, bookmarks and page labels fit the whole.

A link between two pages of the site is printed as the address of a file. Here it becomes a link within the PDF, to the place in the other page if that has been
printed with its name. What is beside the book, such as a log, is linked where the site is published; where that is not known the link goes and its text stays.
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
    """A bookmark.

    Attributes:
        title: What it says.
        depth: How deep it is; 0 for the outermost.
        uri: Where it leads, as a link in a printed page would; "" for a chapter, which leads where what follows it does.
    """

    title: str
    depth: int
    uri: str = ""


@dataclass(frozen=True)
class PrintedPage:
    """One page of the site, printed.

    Attributes:
        uri: Its address when it was printed; "" for what no page leads to.
        data: The PDF.
    """

    uri: str
    data: bytes


@dataclass
class _Place:
    """Where a part begins, and the places in it that have a name: number of a page, distances from its left and lower edge in points."""

    first: int
    names: dict[str, tuple[int, PdfObject, PdfObject]] = field(default_factory=dict)


def pages(data: bytes) -> int:
    """How many sheets a PDF has."""
    return len(PdfReader(BytesIO(data)).pages)


class Book:
    """What is joined.

    Args:
        folder: The address of the folder that the site's files were printed from, with a slash at its end.
        published: The address where that folder can be read by others, with a slash at its end; "" if nowhere.
        front: How many parts at the beginning have roman numbers.
    """

    def __init__(self, folder: str, published: str, *, front: int = 1) -> None:
        self._folder = folder
        self._published = published if urlsplit(published).hostname not in LOCAL else ""
        self._front = front
        self._writer = PdfWriter()
        self._places: dict[str, _Place] = {}

    def join(self, parts: list[PrintedPage], entries: list[Bookmark], facts: Mapping[str, str]) -> bytes:
        """Join them.

        Args:
            parts: The parts in their order.
            entries: The bookmarks in their order.
            facts: What the PDF says of itself: ``/Title`` and the like.
        """
        numbers = [self._add(part) for part in parts]
        body = numbers[self._front].start if len(numbers) > self._front else 0
        for part, range_ in zip(parts, numbers, strict=True):
            for number in range_:
                self._mend_links(part, number)
        self._bookmarks(entries)
        if body:
            self._writer.set_page_label(0, body - 1, style=PageLabelStyle.LOWERCASE_ROMAN)
        self._writer.set_page_label(body, len(self._writer.pages) - 1, style=PageLabelStyle.DECIMAL, start=1)
        self._writer.add_metadata(dict(facts))
        self._writer.page_mode = "/UseOutlines"
        self._writer.compress_identical_objects(remove_duplicates=True, remove_unreferenced=True)
        out = BytesIO()
        self._writer.write(out)
        return out.getvalue()

    def _add(self, part: PrintedPage) -> range:
        reader = PdfReader(BytesIO(part.data))
        place = _Place(len(self._writer.pages))
        for page in reader.pages:
            self._writer.add_page(page)
        for name, target in reader.named_destinations.items():
            number = reader.get_destination_page_number(target)
            if number is not None:
                place.names[name.lstrip("/")] = (place.first + number, target.left or NullObject(), target.top or NullObject())
        self._places[part.uri] = place
        return range(place.first, len(self._writer.pages))

    def _mend_links(self, part: PrintedPage, number: int) -> None:
        page = self._writer.pages[number]
        kept = ArrayObject()
        for item in page.get("/Annots", ArrayObject()):
            link = item.get_object()
            uri = _uri(link, part.uri)
            if link.get("/Subtype") != "/Link" or uri is None or self._lead(link, uri):
                kept.append(item)
        if "/Annots" in page:
            page[NameObject("/Annots")] = kept

    def _lead(self, link: DictionaryObject, uri: str) -> bool:
        """Have a link lead to where the address is for a reader of the book; returns whether there is such a place."""
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
        """A place in the book as PDF writes it; None if it is not in there. A part without a place of that name is opened at its top."""
        address, fragment = urldefrag(uri)
        place = self._places.get(address)
        if place is None:
            return None
        number, left, top = place.names.get(unquote(fragment), (place.first, NullObject(), NullObject()))
        reference = self._writer.pages[number].indirect_reference
        assert reference is not None  # pypdf gives every page that it wrote one
        return ArrayObject([reference, NameObject("/XYZ"), left, top, FloatObject(0)])

    def _bookmarks(self, entries: list[Bookmark]) -> None:
        above: list[IndirectObject] = []
        for number, entry in enumerate(entries):
            uri = next((later.uri for later in entries[number:] if later.uri), "")
            target = self._target(uri)
            if target is None:
                continue
            del above[entry.depth :]
            item = self._writer.add_outline_item(
                title=entry.title,
                page_number=None,
                parent=above[-1] if above else None,
                is_open=entry.depth == 0 and not entry.uri,
            )
            cast("DictionaryObject", item.get_object())[NameObject("/Dest")] = target
            above.append(item)


def _uri(link: DictionaryObject, here: str) -> str | None:
    """Where a printed link leads, as an address; None for what is no link to an address."""
    name = link.get("/Dest")
    if isinstance(name, str):
        return f"{here}#{name.lstrip('/')}"
    action = link.get("/A", DictionaryObject()).get_object()
    uri = action.get("/URI") if isinstance(action, DictionaryObject) else None
    return str(uri) if uri is not None else None


def uris(data: bytes) -> Iterator[str]:
    """Every address that a PDF's links lead to outside of it."""
    for page in PdfReader(BytesIO(data)).pages:
        for item in page.get("/Annots", ArrayObject()):
            if (uri := _uri(item.get_object(), "")) and not uri.startswith("#"):
                yield uri


def write(path: Path, data: bytes) -> None:
    """Put a file in place, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(data)
    new.replace(path)
