"""The reference of the public API, made from signatures and docstrings: what a guide's block prints.

The source is read, not imported, by griffe. What comes out is HTML on one line for each object, and is kept in the store like rendered
transcripts: a build in which no docstring has changed reads no source.

What docstrings say in another language is in a catalogue beside them, a PO file of the package: ``locale/zh/reference.po``. Each paragraph, and what is
said of each parameter, is an entry, found by its English words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kvmdocs.core.errors import CatalogError, Evidence, Place
from kvmdocs.execution.project import Project
from kvmdocs.store.derived import kept

if TYPE_CHECKING:
    import griffe

WIDTH = 88
"""Characters of a signature that stay on one line."""

LABELS = {
    "en": {
        "language": "en", "parameters": "Parameters", "other parameters": "Parameters", "attributes": "Attributes", "returns": "Returns",
        "yields": "Yields", "raises": "Raises", "name": "Name", "type": "Type", "meaning": "Meaning", "default": "default", "comma": ", ",
        "members": "Methods and properties of {name}",
    },
    "zh": {
        "language": "zh", "parameters": "参数", "other parameters": "参数", "attributes": "属性", "returns": "返回",
        "yields": "产出", "raises": "抛出", "name": "名称", "type": "类型", "meaning": "含义", "default": "默认", "comma": "，",
        "members": "{name} 的方法与特性",
    },
}  # fmt: skip
"""What stands above the parts of a docstring, by language; English for all others."""


def reference(*paths: str, language: str = "en") -> str:
    """What the source says of some objects.

    Args:
        *paths: Each a module and a name in it: ``kvmdocs.recording.recipe:recipe``. A class comes with its public methods and properties.
        language: The language to say it in. What the package's catalogue does not know is shown in English, and marked as such.

    Returns:
        HTML, a line for each object.

    Raises:
        CatalogError: There is no such object, or a catalogue is no PO file.
    """
    modules = sorted({path.partition(":")[0] for path in paths})
    catalogues = sorted({file for module in modules for file in _catalogues(module, language)})
    contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (*map(_source, modules), *catalogues)]

    def make() -> str:
        told = {text: words for file in catalogues for text, words in translations(file).items()}
        writer = _Writer(language, told)
        return "\n".join(writer.object(find(path)) for path in paths)

    return kept(Project().store, [repr((paths, language)), *contents], make)


def texts(*paths: str) -> dict[str, list[str]]:
    """What there is to translate: each text that `reference` shows of some objects, with the names of those that say it."""
    writer = _Writer("en", {})
    for path in paths:
        writer.object(find(path))
    return writer.said


def translations(file: Path) -> dict[str, str]:
    """The words of a catalogue, by the English text. Those that are marked as a guess (``#, fuzzy``) do not count.

    Raises:
        CatalogError: It is no PO file.
    """
    from babel.messages.pofile import PoFileError, read_po

    try:
        with file.open("rb") as opened:
            found = read_po(opened, abort_invalid=True)
    except (PoFileError, UnicodeDecodeError) as error:
        place = Place(str(file), getattr(error, "lineno", -1) + 1)
        raise CatalogError(f"{file} is no PO file: {error}", Evidence(place=place)) from error
    return {str(one.id): str(one.string) for one in found if one.id and one.string and not one.fuzzy}


def find(path: str) -> griffe.Object:
    """What griffe has read of an object.

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
    """The members of a class that its users call: those without an underscore that say something of themselves."""
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
    """The file of a module, which is not imported: nor are the packages it lies in, but for the first."""
    top, *rest = module.split(".")
    folders = [folder.joinpath(*rest) for folder in _folders(top)]
    for file in [file for folder in folders for file in (folder.with_suffix(".py"), folder / "__init__.py")]:
        if file.is_file():
            return file
    raise CatalogError(f"there is no module {module!r} to document")


def _catalogues(module: str, language: str) -> list[Path]:
    """The files with the words of a language for what the docstrings of a module's package say: one, or none."""
    files = [folder / "locale" / language / "reference.po" for folder in _folders(module.partition(".")[0])]
    return [file for file in files if file.is_file()]


def _folders(package: str) -> list[Path]:
    spec = find_spec(package)
    return [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]


def _is_property(thing: griffe.Object | griffe.Alias) -> bool:
    return "property" in thing.labels


class _Writer:
    """Writes objects in the words of one language.

    Attributes:
        said: The texts it has shown, in English, each with the names of the objects that say it.
    """

    def __init__(self, language: str, told: Mapping[str, str]) -> None:
        # Both take longer to import than a page with a reference that is kept takes to show.
        from markdown import Markdown
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer

        self._language, self._say = language, LABELS.get(language, LABELS["en"])
        self._told, self._speaker = told, ""
        self.said: dict[str, list[str]] = {}
        self._lexer, self._formatter = PythonLexer(), HtmlFormatter(nowrap=True)
        self._markdown = Markdown(extensions=["fenced_code", "kvmdocs.render.responsive"])

    def object(self, thing: griffe.Object) -> str:
        """An object: its signature, what it says, and its members."""
        self._speaker = thing.path
        body = self._signature(thing) + self._docstring(thing) + self._values(thing)
        members = public(thing) if thing.is_class else []
        if members:
            label = escape(self._say["members"].format(name=thing.name))
            items = "".join(f'<div class="api-member" id="{thing.path}.{one.name}">{self.object(one)}</div>' for one in members)
            body += f'<p class="api-label">{label}</p>{items}'
        return f'<div class="api">{body}</div>' if not thing.parent or not thing.parent.is_class else body

    def _values(self, thing: griffe.Object) -> str:
        """What an enumeration can be."""
        if not thing.is_class or "Enum" not in str(getattr(thing, "bases", "")):
            return ""
        rows = "".join(
            f"<dt><code>{escape(name)}</code> <small><code>{escape(str(getattr(one, 'value', '')))}</code></small></dt>"
            f"<dd>{self._prose(one.docstring.value) if one.docstring else ''}</dd>"
            for name, one in thing.members.items()
            if one.is_attribute and not one.is_alias
        )
        return f'<dl class="api-table" lang="{self._language}">{rows}</dl>'

    def _signature(self, thing: griffe.Object) -> str:
        from pygments import highlight

        code = highlight(signature(thing), self._lexer, self._formatter).rstrip("\n").replace("\n", "&#10;")
        return f'<div class="highlight api-signature"><pre><code tabindex="0">{code}</code></pre></div>'

    def _docstring(self, thing: griffe.Object) -> str:
        return f'<div lang="{self._language}">{"".join(self._sections(thing))}</div>' if thing.docstring else ""

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
        label = f'<p class="api-label" lang="{self._say["language"]}">{escape(self._say[kind])}</p>'
        return f'{label}<dl class="api-table">{rows}</dl>'

    def _term(self, kind: str, entry: griffe.DocstringElement) -> str:
        named = getattr(entry, "name", "")
        kind_of = str(entry.annotation or "")
        if kind == "raises" or not named:
            return f"<code>{escape(kind_of)}</code>"
        default = getattr(entry, "value", None) if kind != "attributes" else None
        told = (
            f"{self._say['comma']}{self._say['default']} <code>{escape(str(default))}</code>"
            if default not in (None, "")
            else ""
        )
        return f"<code>{escape(named)}</code>" + (f" <small><code>{escape(kind_of)}</code>{told}</small>" if kind_of else "")

    def _prose(self, text: str) -> str:
        """A docstring's text; on one line, since markdown-exec may read it again."""
        return "".join(self._paragraph(one) for one in ([text] if "```" in text else re.split(r"\n\s*\n", text)))

    def _paragraph(self, text: str) -> str:
        """A text in the page's language, or in English, and marked as such, if there are no words for it."""
        known = " ".join(text.split())
        if known and self._speaker not in self.said.setdefault(known, []):
            self.said[known].append(self._speaker)
        self._markdown.reset()
        made = self._markdown.convert(self._told.get(known, text)).replace("\n\n", "\n").replace("\n", "&#10;")
        return made if known in self._told or self._language == "en" else f'<div lang="en">{made}</div>'


def sections(thing: griffe.Object) -> list[griffe.DocstringSection]:
    """A docstring in its parts. A class's own arguments are told there, as Google's style has it."""
    if thing.docstring is None:
        return []
    return thing.docstring.parse("google", returns_named_value=False, returns_multiple_items=False, warnings=False)


def signature(thing: griffe.Object) -> str:
    """An object as its source declares it, without a body: wrapped like the source where it is long."""
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
    """Each parameter as it is written, without `self`; with the marks before keyword-only and after positional-only ones."""
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
