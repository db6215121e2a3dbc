"""Reference of the public API, made from signatures and docstrings: what a guide's block prints.

griffe reads the source and imports nothing. The result is HTML on one line for each object. It lies in the store with the
other derived texts: a build in which no docstring has changed reads no source. It is in English on every site, since it is for
people who write Python.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kvmdocs.core.errors import CatalogError, Evidence
from kvmdocs.execution.project import Project
from kvmdocs.store.derived import get_or_make

if TYPE_CHECKING:
    import griffe

WIDTH = 88
"""Characters of a signature that stay on one line."""

LABELS = {
    "parameters": "Parameters",
    "other parameters": "Parameters",
    "attributes": "Attributes",
    "returns": "Returns",
    "yields": "Yields",
    "raises": "Raises",
}
"""Headings of a docstring's sections."""


def reference(*paths: str) -> str:
    """Describe some objects by what their source says.

    Args:
        *paths: Each a module and a name in it: ``kvmdocs.recording.recipe:recipe``. A class comes with its public methods and
            properties.

    Returns:
        HTML, a line for each object.

    Raises:
        CatalogError: There is no such object.
    """
    modules = sorted({path.partition(":")[0] for path in paths})
    contents = [hashlib.sha256(_source(module).read_bytes()).hexdigest() for module in modules]

    def make() -> str:
        writer = _Writer()
        return "\n".join(writer.object(find(path)) for path in paths)

    return get_or_make(Project().store, [repr(paths), *contents], make)


def find(path: str) -> griffe.Object:
    """Return what griffe has read of an object.

    Args:
        path: Its module and its name, with a colon between them.

    Raises:
        CatalogError: There is no such object.
    """
    module, _, name = path.partition(":")
    found = _module(module).members.get(name)
    if found is None or found.is_alias:
        advice = "name the module that defines it, as in kvmdocs.recording.recipe:recipe"
        raise CatalogError(f"there is no {path!r} to document", Evidence(advice=advice))
    return cast("griffe.Object", found)


def public(thing: griffe.Object) -> list[griffe.Object]:
    """Return the members of a class that its users call: those without an underscore that have a docstring."""
    return [
        cast("griffe.Object", member)
        for name, member in thing.members.items()
        if not name.startswith("_")
        and not member.is_alias
        and (member.is_function or _is_property(member))
        and member.docstring
    ]


@cache
def _module(name: str) -> griffe.Module:
    import griffe

    path = _source(name)
    return griffe.visit(name, filepath=path, code=path.read_text("utf-8"))


def _source(module: str) -> Path:
    """Return the file of a module. Neither it nor the packages around it are imported, except the first."""
    top, *rest = module.split(".")
    folders = [folder.joinpath(*rest) for folder in _folders(top)]
    for file in [file for folder in folders for file in (folder.with_suffix(".py"), folder / "__init__.py")]:
        if file.is_file():
            return file
    raise CatalogError(f"there is no module {module!r} to document")


def _folders(package: str) -> list[Path]:
    spec = find_spec(package)
    return [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]


def _is_property(thing: griffe.Object | griffe.Alias) -> bool:
    return "property" in thing.labels


class _Writer:
    """Writes objects as HTML."""

    def __init__(self) -> None:
        # Both take longer to import than a page with a cached reference takes to show.
        from markdown import Markdown
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer

        self._lexer, self._formatter = PythonLexer(), HtmlFormatter(nowrap=True)
        self._markdown = Markdown(extensions=["fenced_code", "kvmdocs.render.responsive"])

    def object(self, thing: griffe.Object) -> str:
        """Write an object: its signature, its docstring, and its members."""
        body = self._signature(thing) + self._docstring(thing) + self._values(thing)
        members = public(thing) if thing.is_class else []
        if members:
            label = f"Methods and properties of {escape(thing.name)}"
            items = "".join(f'<div class="api-member" id="{thing.path}.{one.name}">{self.object(one)}</div>' for one in members)
            body += f'<p class="api-label">{label}</p>{items}'
        return f'<div class="api" lang="en">{body}</div>' if not thing.parent or not thing.parent.is_class else body

    def _values(self, thing: griffe.Object) -> str:
        """Write the members of an enumeration."""
        if not thing.is_class or "Enum" not in str(getattr(thing, "bases", "")):
            return ""
        rows = "".join(
            f"<dt><code>{escape(name)}</code> <small><code>{escape(str(getattr(one, 'value', '')))}</code></small></dt>"
            f"<dd>{self._prose(one.docstring.value) if one.docstring else ''}</dd>"
            for name, one in thing.members.items()
            if one.is_attribute and not one.is_alias
        )
        return f'<dl class="api-table">{rows}</dl>'

    def _signature(self, thing: griffe.Object) -> str:
        from pygments import highlight

        code = highlight(signature(thing), self._lexer, self._formatter).rstrip("\n").replace("\n", "&#10;")
        return f'<div class="highlight api-signature"><pre><code tabindex="0">{code}</code></pre></div>'

    def _docstring(self, thing: griffe.Object) -> str:
        return f"<div>{''.join(self._sections(thing))}</div>" if thing.docstring else ""

    def _sections(self, thing: griffe.Object) -> Iterator[str]:
        for section in sections(thing):
            kind = section.kind.value
            if kind == "text":
                yield self._prose(section.value)
            elif kind == "examples":
                yield "".join(self._prose(str(text)) for _, text in section.value)
            elif kind == "admonition":
                yield self._prose(f"**{section.value.kind}** {section.value.contents}")
            else:
                yield self._table(kind, section.value)

    def _table(self, kind: str, entries: Sequence[griffe.DocstringElement]) -> str:
        rows = "".join(f"<dt>{self._term(kind, entry)}</dt><dd>{self._prose(entry.description)}</dd>" for entry in entries)
        return f'<p class="api-label">{LABELS[kind]}</p><dl class="api-table">{rows}</dl>'

    def _term(self, kind: str, entry: griffe.DocstringElement) -> str:
        named = getattr(entry, "name", "")
        kind_of = str(entry.annotation or "")
        if kind == "raises" or not named:
            return f"<code>{escape(kind_of)}</code>"
        default = getattr(entry, "value", None) if kind != "attributes" else None
        told = f", default <code>{escape(str(default))}</code>" if default not in (None, "") else ""
        return f"<code>{escape(named)}</code>" + (f" <small><code>{escape(kind_of)}</code>{told}</small>" if kind_of else "")

    def _prose(self, text: str) -> str:
        """Convert a docstring's text to HTML on one line, since markdown-exec may read it again."""
        return "".join(self._paragraph(one) for one in ([text] if "```" in text else re.split(r"\n\s*\n", text)))

    def _paragraph(self, text: str) -> str:
        self._markdown.reset()
        return self._markdown.convert(text).replace("\n\n", "\n").replace("\n", "&#10;")


def sections(thing: griffe.Object) -> list[griffe.DocstringSection]:
    """Split a docstring into its sections. Google style puts the arguments of a class there."""
    if thing.docstring is None:
        return []
    return thing.docstring.parse("google", returns_named_value=False, returns_multiple_items=False, warnings=False)


def signature(thing: griffe.Object) -> str:
    """Return an object as its source declares it, without a body; wrapped like the source where it is long."""
    if thing.is_class:
        made = thing.members.get("__init__")
        fields = "dataclass" in thing.labels or not made
        bases = ", ".join(str(base) for base in getattr(thing, "bases", ()))
        if fields or made is None or made.is_alias:
            return f"class {thing.name}({bases})" if bases else f"class {thing.name}"
        return _call(f"class {thing.name}", made, "")
    if _is_property(thing):
        return f"{thing.name}: {getattr(thing, 'annotation', None) or getattr(thing, 'returns', '')}"
    if thing.is_function:
        marks = (
            "@contextmanager\n" if any("contextmanager" in str(one.value) for one in getattr(thing, "decorators", ())) else ""
        )
        return marks + _call(f"def {thing.name}", thing, str(getattr(thing, "returns", "") or ""))
    return f"{thing.name} = {getattr(thing, 'value', '')}"


def _call(head: str, function: griffe.Object | griffe.Alias, returns: str) -> str:
    parts = list(_parameters(function))
    tail = f" -> {returns}" if returns else ""
    line = f"{head}({', '.join(parts)}){tail}"
    if len(line) <= WIDTH:
        return line
    return f"{head}(\n" + "".join(f"    {part},\n" for part in parts) + f"){tail}"


def _parameters(function: griffe.Object | griffe.Alias) -> Iterator[str]:
    """Yield each parameter as it is written, without `self`, with ``*`` before keyword-only ones."""
    starred = False
    for parameter in getattr(function, "parameters", ()):
        kind = parameter.kind.value if parameter.kind else ""
        if parameter.name in ("self", "cls"):
            continue
        prefix = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        if kind == "keyword-only" and not starred:
            yield "*"
        starred = starred or kind in ("keyword-only", "variadic positional")
        typed = f": {parameter.annotation}" if parameter.annotation else ""
        default = "" if parameter.default is None or prefix else f"{' = ' if typed else '='}{parameter.default}"
        yield f"{prefix}{parameter.name}{typed}{default}"
