"""Where in the source code the frames of a transcript are, and whether they are there.

A recipe says which trees its transcripts speak of (`kvmdocs.recording.shell.Shell.sources`). When it has run, every frame in what its steps
printed whose file is in one of them is looked up: the file is opened, and the line must lie in the function that the frame names. So a
link that a reader follows leads where the transcript says, and a transcript of another build or tree than the recipe
believes fails the recipe. A frame of a file outside the trees (the C library, code that the build generated) has no place.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from pathlib import Path

from kvmdocs.core.errors import CatalogError, Evidence, RecipeFailed
from kvmdocs.core.model import SourceLocation, Step, Where
from kvmdocs.recording.source.c_functions import Extent, around, extents, plain_name
from kvmdocs.recording.source.stack_frames import Frame, find

AROUND = 5
"""Lines of an excerpt before and after the line itself."""

_BREAK_AT = re.compile(r"(?<![\w-])(?:t?h?break|t?b)\s+(?:[^\s'\"]+:)?([A-Za-z_]\w*)(?=[\s'\"]|\Z)")
_JOINS_IN_GDB = re.compile(r"(?:target|attach|interrupt)\b")
_JOINS = re.compile(r"(?:\S*/)?gdb\b.*?(?:\s-p\b|\s--pid\b|\battach\b|\btarget\b)", re.DOTALL)
"""A debugger meets a program that runs: as a command of its own, and as a command of a shell."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


@dataclass(frozen=True)
class Tree:
    """A source tree that transcripts speak of.

    Attributes:
        name: Its name, such as ``linux``; the setting ``links.linux`` says where a reader finds it.
        root: Where it is on this host.
        shown: Where it is for a reader.
        astray: Patterns of functions whose lines the compiler is known to give wrongly.
    """

    name: str
    root: Path
    shown: str
    astray: tuple[str, ...] = ()

    @cached_property
    def version(self) -> str:
        """Its version: what the file ``VERSION`` holds, or what the kernel's ``Makefile`` says.

        Raises:
            CatalogError: It says none.
        """
        stated = self.root / "VERSION"
        if stated.is_file():
            return stated.read_text("utf-8").strip()
        makefile = self.root / "Makefile"
        text = makefile.read_text("utf-8") if makefile.is_file() else ""
        parts = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(.*?)[ \t]*$", text, re.MULTILINE))
        if not {"VERSION", "PATCHLEVEL"} <= parts.keys():
            raise CatalogError(
                f"the source tree {self.name!r} has no version",
                Evidence(
                    advice="give `sh.sources` the root of a source tree: the folder with VERSION or the kernel's Makefile"
                ),
            )
        # The first release of a series has no third number, neither in its tag nor in its tarball's name.
        small = f".{parts['SUBLEVEL']}" if parts.get("SUBLEVEL", "0") != "0" else ""
        return f"{parts['VERSION']}.{parts['PATCHLEVEL']}{small}{parts.get('EXTRAVERSION', '')}"

    @cached_property
    def patched(self) -> frozenset[str]:
        """The files in which the distribution's patches move lines; none for a tree as upstream publishes it.

        A patch that sets ``VERSION`` is how a distribution takes over a stable release of upstream's: after it the tree is that one.
        """
        folder = self.root / "debian" / "patches"
        series = folder / "series"
        if not series.is_file():
            return frozenset()
        names = [line.split("#")[0].split() for line in series.read_text("utf-8").splitlines()]
        patches = [folder / words[0] for words in names if words]
        texts = [path.read_text("utf-8", "replace") for path in patches if path.is_file()]
        own = [text for text in texts if not re.search(r"^\+\+\+ [^/\s]+/VERSION$", text, re.MULTILINE)]
        return frozenset(name for text in own for name in _moved(text))

    def find(self, path: str) -> str | None:
        """The file that a transcript names, relative to the tree; None if it is not in the tree.

        A compiler names a file by its whole path, or relative to a build directory somewhere beside the tree: then what is left
        without the leading dots is the path in the tree, or begins with the names of the folders that the tree lies in.
        """
        clean = posixpath.normpath(path)
        if clean.startswith(("/", "~")):
            inside = [clean.removeprefix(f"{root}/") for root in (self.shown, str(self.root)) if clean.startswith(f"{root}/")]
        else:
            bare = re.sub(r"^(?:\.\./)+", "", clean)
            folders = [part for part in self.shown.split("/") if part not in {"~", ""}]
            heads = ["/".join(folders[begin:]) + "/" for begin in range(len(folders))]
            inside = [bare.removeprefix(head) for head in heads if bare.startswith(head)] or [bare]
        return next((rest for rest in inside if (self.root / rest).is_file()), None)


def _moved(patch: str) -> Iterable[str]:
    """The files of a patch in which it puts lines elsewhere: some piece of them becomes longer or shorter."""
    for part in re.split(r"^(?=\+\+\+ )", patch, flags=re.MULTILINE):
        named = re.match(r"\+\+\+ [^/\s]+/(\S+)", part)
        pieces = re.findall(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", part, re.MULTILINE)
        if named and any(before != after for before, after in pieces):
            yield named[1]


def collect(steps: Sequence[Step], trees: Iterable[Tree]) -> tuple[SourceLocation, ...]:
    """The places that a recipe's steps name, each once, in the order in which they are met.

    Args:
        steps: The recipe's steps, with readable paths.
        trees: The source trees they may speak of.

    Raises:
        RecipeFailed: A line does not lie in the function that a frame names, or no step speaks of one of the trees at all.
        CatalogError: A tree has no version.
    """
    known = tuple(trees)
    files = _Files()
    places: dict[tuple[str, int, str], SourceLocation] = {}
    met = set()
    for number, step, frame in _frames(steps):
        inside = ((tree, path) for tree in known if (path := tree.find(frame.path)))
        for tree, path in islice(inside, 1):
            if frame.quoted and not _is_quoted(files.open(tree.root / path)[0], frame):
                continue
            met.add(tree.name)
            place = _place(tree, path, frame, files, number, step)
            places.setdefault((place.shown, place.line, place.function), place)
    for tree in known:
        if tree.name not in met:
            raise RecipeFailed(
                f"no step printed a stack frame of the source tree {tree.name!r}",
                Evidence(
                    advice="take it out of `sh.sources`, or see why the frames have no file and line: were there symbols?"
                ),
            )
    return tuple(places.values())


def _frames(steps: Sequence[Step]) -> Iterator[tuple[int, Step, Frame]]:
    """Every frame that a record holds; what is only in a log is not on the page either."""
    for number, step in enumerate(steps, 1):
        for part in (step.output.head, step.output.tail if step.output.omitted_bytes else ""):
            for frame in find(_COLOUR.sub("", part)):
                yield number, step, frame


class _Files:
    """Source files that were opened, cut into their functions."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[list[str], list[Extent]]] = {}

    def open(self, path: Path) -> tuple[list[str], list[Extent]]:
        if path not in self._read:
            text = path.read_text("utf-8", "replace")
            self._read[path] = text.split("\n"), extents(path.name, text)
        return self._read[path]


def _place(tree: Tree, path: str, frame: Frame, files: _Files, number: int, step: Step) -> SourceLocation:
    """The place of a frame.

    Raises:
        RecipeFailed: The frame is not there.
    """
    lines, pieces = files.open(tree.root / path)
    function = _function(frame, step)
    piece = around(pieces, frame.line)
    wrong = _impossible(frame, function, lines)
    astray = not wrong and not frame.quoted and (piece is None or not (piece.makes(function) if function else piece.names))
    inlined = astray and _is_inlined(function, piece, pieces, lines[frame.line - 1])
    if astray and not inlined and not _may_be_astray(tree, function, step):
        wrong = f"a frame of `{function}` is said to be there, and the line lies in {piece or 'no function'}"
    if wrong:
        raise RecipeFailed(
            f"{path}:{frame.line} of {tree.name} {tree.version} is not what the transcript says: {wrong}",
            Evidence(
                step=number,
                tail="\n".join(_numbered(lines, frame.line)),
                advice="is what was debugged built from this very tree? A function whose lines the compiler itself gives "
                "wrongly is named in `sh.sources(…, astray=[…])`",
            ),
        )
    first = max(1, frame.line - AROUND)
    inside = piece.names[-1] if piece and piece.names else ""
    return SourceLocation(
        shown=frame.path,
        line=frame.line,
        tree=tree.name,
        version=tree.version,
        path=path,
        function=inside if astray or not function else function,
        excerpt=tuple(line.rstrip("\r") for line in lines[first - 1 : frame.line + AROUND]),
        first=first,
        astray=function or "" if astray else "",
        patched=path in tree.patched,
    )


def _is_quoted(lines: Sequence[str], frame: Frame) -> bool:
    """Whether a line of the source is what an output has behind its number; a compiler's warning looks the same and is not."""
    return 1 <= frame.line <= len(lines) and lines[frame.line - 1].rstrip() == (frame.source or "").rstrip()


def _function(frame: Frame, step: Step) -> str | None:
    """The function a frame is of; for a breakpoint the one it was asked for, None if it was asked for by a line."""
    if frame.function is None:
        asked = _BREAK_AT.findall(step.command)
        return asked[0] if len(asked) == 1 else None
    return plain_name(frame.function)


def _impossible(frame: Frame, function: str | None, lines: Sequence[str]) -> str:
    """What is wrong with a frame whatever function its line lies in; "" if nothing is."""
    if function == "":
        return "a frame is said to be there, and its function cannot be read"
    if not 1 <= frame.line <= len(lines):
        return f"the file ends at line {len(lines)}"
    if frame.source is not None and frame.source.rstrip() != lines[frame.line - 1].rstrip():
        return (
            f"the debugger printed {frame.source.strip()!r} for that line, and the file has {lines[frame.line - 1].strip()!r}"
        )
    return ""


def _may_be_astray(tree: Tree, function: str | None, step: Step) -> bool:
    """Whether a frame may name a function that its line does not lie in: the recipe says so, or nobody chose where to stop.

    Compilers that optimise give some instructions the line of what was inlined beside them (one in a hundred in Linux and QEMU; two in
    a thousand of the calls). Whoever chose where to stop sees that when writing the recipe and names the function. Where a debugger
    meets a program that runs nobody chose, and next time it is another instruction.
    """
    if any(fnmatchcase(function or "", pattern) for pattern in tree.astray):
        return True
    joins = _JOINS_IN_GDB if step.where is Where.GDB else _JOINS
    return joins.match(step.command) is not None


def _is_inlined(function: str | None, piece: Extent | None, pieces: Sequence[Extent], line: str) -> bool:
    """Whether the source itself shows that a line of another function may be in a frame of this one, by inlining.

    Either the line calls the function, which was put there; or it lies in an inline function that was put into this one, which is
    defined in some other file.
    """
    if piece is None or not function:
        return False
    called = re.search(rf"\b{re.escape(function)}\s*\(", line) is not None
    return called or (piece.inline and not any(other.makes(function) for other in pieces))


def _numbered(lines: Sequence[str], line: int) -> list[str]:
    first = max(1, line - AROUND)
    return [f"{number:6} {text}" for number, text in enumerate(lines[first - 1 : line + AROUND], first)]


def make_trees(given: Mapping[str, Path], shown: Mapping[str, str], astray: Sequence[str]) -> list[Tree]:
    """Trees from what a recipe says.

    Args:
        given: Root of each tree by its name.
        shown: The same for a reader.
        astray: Patterns of functions whose lines the compiler gives wrongly.

    Raises:
        CatalogError: A root is no folder.
    """
    for name, root in given.items():
        if not root.is_dir():
            raise CatalogError(
                f"the source tree {name!r} is no folder: {shown[name]}",
                Evidence(advice="give `sh.sources` the tree that a recipe of the sources returned"),
            )
    return [Tree(name, root, shown[name], tuple(astray)) for name, root in given.items()]
