"""Source locations of the stack frames in a transcript, and the check that they are right.

A recipe declares the source trees of its transcripts (`kvmdocs.recording.shell.Shell.sources`). After it has run, every frame
in the output of its steps whose file is in one of them is looked up: the file is opened, and the line must be in the function
that the frame names. So a link leads where the transcript says, and the recipe fails if the transcript is of another build or
tree than expected. A frame of a file outside of the trees (the C library, generated code) has no location.
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
from kvmdocs.recording.source.c_functions import FunctionSpan, function_spans, plain_name, span_at
from kvmdocs.recording.source.stack_frames import Frame, find

CONTEXT_LINES = 5
"""Number of lines of an excerpt before and after the line itself."""

_BREAK_AT = re.compile(r"(?<![\w-])(?:t?h?break|t?b)\s+(?:[^\s'\"]+:)?([A-Za-z_]\w*)(?=[\s'\"]|\Z)")
_JOINS_IN_GDB = re.compile(r"(?:target|attach|interrupt)\b")
_JOINS = re.compile(r"(?:\S*/)?gdb\b.*?(?:\s-p\b|\s--pid\b|\battach\b|\btarget\b)", re.DOTALL)
"""A command that attaches a debugger to a running program; `_JOINS_IN_GDB` inside of gdb, this one in a shell."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


@dataclass(frozen=True)
class Tree:
    """Source tree that transcripts refer to.

    Attributes:
        name: Name, such as ``linux``; the setting ``links.linux`` has its URL template.
        root: Path on this host.
        shown: Path as shown to a reader.
        astray: Patterns of functions whose lines the compiler is known to report wrongly.
    """

    name: str
    root: Path
    shown: str
    astray: tuple[str, ...] = ()

    @cached_property
    def version(self) -> str:
        """Version of the tree: the content of the file ``VERSION``, or the one in the kernel's ``Makefile``.

        Raises:
            CatalogError: The tree has no version.
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
        # The first release of a series has no third number in its tag and in the name of its tarball.
        small = f".{parts['SUBLEVEL']}" if parts.get("SUBLEVEL", "0") != "0" else ""
        return f"{parts['VERSION']}.{parts['PATCHLEVEL']}{small}{parts.get('EXTRAVERSION', '')}"

    @cached_property
    def patched(self) -> frozenset[str]:
        """Files in which the distribution's patches move lines; empty for an upstream tree.

        A patch that sets ``VERSION`` is an update to a stable release of upstream. The tree after it counts as upstream.
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
        """Return the file that a transcript names, relative to the tree, or None if it is not in the tree.

        A compiler names a file by its absolute path, or relative to a build directory near the tree. In the latter case the
        path without leading ``../`` is either the path in the tree, or begins with the names of the tree's parent folders.
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
    """Yield the files in which a patch moves lines: those with a hunk that becomes longer or shorter."""
    for part in re.split(r"^(?=\+\+\+ )", patch, flags=re.MULTILINE):
        named = re.match(r"\+\+\+ [^/\s]+/(\S+)", part)
        pieces = re.findall(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", part, re.MULTILINE)
        if named and any(before != after for before, after in pieces):
            yield named[1]


def collect(steps: Sequence[Step], trees: Iterable[Tree]) -> tuple[SourceLocation, ...]:
    """Return the source locations in the output of a recipe's steps, each once, in order of appearance.

    Args:
        steps: Steps of the recipe, with readable paths.
        trees: Source trees that they may refer to.

    Raises:
        RecipeFailed: A line is not in the function that a frame names, or no frame of a tree was printed.
        CatalogError: A tree has no version.
    """
    trees = tuple(trees)
    files = _Files()
    places: dict[tuple[str, int, str], SourceLocation] = {}
    printed = set()
    for number, step, frame in _frames(steps):
        inside = ((tree, path) for tree in trees if (path := tree.find(frame.path)))
        for tree, path in islice(inside, 1):
            if frame.quoted and not _is_quoted(files.open(tree.root / path)[0], frame):
                continue
            printed.add(tree.name)
            place = _place(tree, path, frame, files, number, step)
            places.setdefault((place.shown, place.line, place.function), place)
    for tree in trees:
        if tree.name not in printed:
            raise RecipeFailed(
                f"no step printed a stack frame of the source tree {tree.name!r}",
                Evidence(
                    advice="remove it from `sh.sources`, or find out why frames have no file and line: missing debug symbols?"
                ),
            )
    return tuple(places.values())


def _frames(steps: Sequence[Step]) -> Iterator[tuple[int, Step, Frame]]:
    """Yield every frame in a record. Output that is only in a log is not on the page either."""
    for number, step in enumerate(steps, 1):
        for part in (step.output.head, step.output.tail if step.output.omitted_bytes else ""):
            for frame in find(_COLOUR.sub("", part)):
                yield number, step, frame


class _Files:
    """Cache of opened source files, split into functions."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[list[str], list[FunctionSpan]]] = {}

    def open(self, path: Path) -> tuple[list[str], list[FunctionSpan]]:
        if path not in self._read:
            text = path.read_text("utf-8", "replace")
            self._read[path] = text.split("\n"), function_spans(path.name, text)
        return self._read[path]


def _place(tree: Tree, path: str, frame: Frame, files: _Files, number: int, step: Step) -> SourceLocation:
    """Return the source location of a frame.

    Raises:
        RecipeFailed: The frame is not there.
    """
    lines, pieces = files.open(tree.root / path)
    function = _function(frame, step)
    piece = span_at(pieces, frame.line)
    wrong = _impossible(frame, function, lines)
    astray = not wrong and not frame.quoted and (piece is None or not (piece.makes(function) if function else piece.names))
    inlined = astray and _is_inlined(function, piece, pieces, lines[frame.line - 1])
    if astray and not inlined and not _may_be_astray(tree, function, step):
        wrong = f"it names a frame of `{function}`, but the line is in {piece or 'no function'}"
    if wrong:
        raise RecipeFailed(
            f"{path}:{frame.line} of {tree.name} {tree.version} does not match the transcript: {wrong}",
            Evidence(
                step=number,
                tail="\n".join(_numbered(lines, frame.line)),
                advice="was the debugged program built from exactly this tree? If the compiler itself reports the lines of a "
                "function wrongly, name the function in `sh.sources(…, astray=[…])`",
            ),
        )
    first = max(1, frame.line - CONTEXT_LINES)
    inside = piece.names[-1] if piece and piece.names else ""
    return SourceLocation(
        shown=frame.path,
        line=frame.line,
        tree=tree.name,
        version=tree.version,
        path=path,
        function=inside if astray or not function else function,
        excerpt=tuple(line.rstrip("\r") for line in lines[first - 1 : frame.line + CONTEXT_LINES]),
        first=first,
        astray=function or "" if astray else "",
        patched=path in tree.patched,
    )


def _is_quoted(lines: Sequence[str], frame: Frame) -> bool:
    """Check whether the text after a line number is that line of the source. A compiler's warning looks the same."""
    return 1 <= frame.line <= len(lines) and lines[frame.line - 1].rstrip() == (frame.source or "").rstrip()


def _function(frame: Frame, step: Step) -> str | None:
    """Return the function of a frame.

    For a breakpoint it is the function in the command, or None if the breakpoint was set by a line.
    """
    if frame.function is None:
        functions = _BREAK_AT.findall(step.command)
        return functions[0] if len(functions) == 1 else None
    return plain_name(frame.function)


def _impossible(frame: Frame, function: str | None, lines: Sequence[str]) -> str:
    """Return a reason why a frame cannot be right, independent of the function that contains its line; "" if there is none."""
    if function == "":
        return "it names a frame there, but its function cannot be parsed"
    if not 1 <= frame.line <= len(lines):
        return f"the file ends at line {len(lines)}"
    if frame.source is not None and frame.source.rstrip() != lines[frame.line - 1].rstrip():
        return (
            f"the debugger printed {frame.source.strip()!r} for that line, but the file has {lines[frame.line - 1].strip()!r}"
        )
    return ""


def _may_be_astray(tree: Tree, function: str | None, step: Step) -> bool:
    """Check whether a frame may name a function that does not contain its line.

    This is so if the recipe declares it, or if nobody chose the place to stop. Optimising compilers give some instructions the
    line of code that was inlined next to them (one percent of the instructions in Linux and QEMU, 0.2 percent of the calls). An
    author who chooses where to stop notices that and declares the function. When a debugger attaches to a running program, the
    place is arbitrary and differs from run to run.
    """
    if any(fnmatchcase(function or "", pattern) for pattern in tree.astray):
        return True
    joins = _JOINS_IN_GDB if step.where is Where.GDB else _JOINS
    return joins.match(step.command) is not None


def _is_inlined(function: str | None, piece: FunctionSpan | None, pieces: Sequence[FunctionSpan], line: str) -> bool:
    """Check whether the source itself shows that a line of another function may be in a frame of this one, by inlining.

    Either the line calls the function, which was inlined there; or the line is in an inline function, and the function that it
    was inlined into is defined in another file.
    """
    if piece is None or not function:
        return False
    called = re.search(rf"\b{re.escape(function)}\s*\(", line) is not None
    return called or (piece.inline and not any(other.makes(function) for other in pieces))


def _numbered(lines: Sequence[str], line: int) -> list[str]:
    first = max(1, line - CONTEXT_LINES)
    return [f"{number:6} {text}" for number, text in enumerate(lines[first - 1 : line + CONTEXT_LINES], first)]


def make_trees(given: Mapping[str, Path], shown: Mapping[str, str], astray: Sequence[str]) -> list[Tree]:
    """Return the trees that a recipe declares.

    Args:
        given: Root of each tree by its name.
        shown: The same, as shown to a reader.
        astray: Patterns of functions whose lines the compiler reports wrongly.

    Raises:
        CatalogError: A root is not a directory.
    """
    for name, root in given.items():
        if not root.is_dir():
            raise CatalogError(
                f"the source tree {name!r} is not a folder: {shown[name]}",
                Evidence(advice="give `sh.sources` the tree that a recipe of the sources returned"),
            )
    return [Tree(name, root, shown[name], tuple(astray)) for name, root in given.items()]
