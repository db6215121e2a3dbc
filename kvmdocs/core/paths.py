"""How the host's paths and addresses appear to a reader.

The store keeps a recipe's workspace under a name that holds its key. A reader has one folder, ``~/kvm-lab``, with one
folder a recipe. `PathDisplay` turns the one into the other wherever text leaves a recipe: commands, output, logs,
messages. It also hides what must not be shown: the addresses of package mirrors, the project's own place on the disk.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from kvmdocs.core.bash_quotes import Quoting, quoting
from kvmdocs.core.control_characters import UNSEEN, in_ascii_quotes
from kvmdocs.core.secrets.masking import Secrets

WIDTH = 96
"""Columns after which a command is wrapped; what a page shows without a scroll bar."""

KEY_LENGTH = 16
"""Hexadecimal digits of a key in the name of a workspace; 64 bits keep two keys of one recipe apart."""

_NEIGHBOUR = re.compile(rf"\.\./(\w+)-[0-9a-f]{{{KEY_LENGTH}}}(?![0-9a-f])")

_SAFE = re.compile(r"(?!~)(?:[\w@%+,./~-]|[=:](?!~))+", re.ASCII)
"""What a shell takes as it is. It expands a tilde at the beginning of a word, and in ``a=~`` and ``a:~``."""


def homes(environ: Mapping[str, str]) -> dict[str, str]:
    """The folders that are the user's home, and what is shown instead of them.

    Two may be: the one of the environment, and the one that the host's list of users has, where programs of theirs stay when a job is given
    another.
    """
    known = [environ.get("HOME", "")]
    with contextlib.suppress(KeyError):  # an id without an entry, as containers have
        known.append(pwd.getpwuid(os.getuid()).pw_dir)
    # Root's home is of the same name in every guest; what has hidden folders in it is this host's.
    return {home: "~" for home in known if home.count("/") > 1} | {
        f"{home}/.": "~/." for home in known if home.count("/") == 1 and home.strip("/")
    }


@dataclass
class PathDisplay:
    """The mapping between this host's paths and what a reader sees.

    Attributes:
        work: The store's folder of workspaces, each named ``<recipe>-<key's first digits>``.
        lab: The readable folder, such as ``~/kvm-lab``.
        masks: Text that must not be shown, and what is shown instead (longest first wins).
        secrets: What is secret; it goes first.
    """

    work: Path
    lab: str = "~/kvm-lab"
    masks: dict[str, str] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets)

    @cached_property
    def _workspace(self) -> re.Pattern[str]:
        return re.compile(rf"{re.escape(str(self.work))}/(\w+)-[0-9a-f]{{{KEY_LENGTH}}}(?![0-9a-f])")

    def mask(self, text: str, shown: str) -> None:
        """From now on show `shown` wherever `text` appears."""
        if text and text != shown:
            self.masks[text] = shown

    def readable(self, text: str) -> str:
        """`text` as a reader may see it; text that names nothing of this host comes back as it is."""
        return self.without_secrets(self.secrets.mask(text))

    def without_secrets(self, text: str) -> str:
        """The same of text in which no secret is left (`kvmdocs.recording.capture` has seen to it)."""
        return self._replaced(text, "~")

    def _replaced(self, text: str, tilde: str) -> str:
        """The same with something else for the tilde that stands for the reader's home."""
        lab = _at_home(self.lab, tilde)
        text = self._workspace.sub(lambda found: f"{lab}/{found[1]}", text)
        # A build directory names its source tree relatively, and so do the debugger and the compiler.
        text = _NEIGHBOUR.sub(r"../\1", text)
        put_in = tuple(_at_home(shown, tilde) for shown in self.masks.values())
        for secret in sorted(self.masks, key=len, reverse=True):
            shown = _at_home(self.masks[secret], tilde)
            if secret[0] == "/":
                text = _whole_path(secret, put_in).sub(shown.replace("\\", r"\\"), text)
            else:
                text = text.replace(secret, shown)
        return text

    def argument(self, argument: str) -> str:
        """One argument of a command as it is typed, quoted where a shell needs it.

        A tilde is only expanded at the beginning of a word, so a path of the lab further in is written with ``$HOME``.
        """
        # No argument holds a NUL: it tells the home that was put in from a tilde that the command is meant to get.
        shown = self._replaced(self.secrets.mask(argument), "\0")
        if "\0" not in shown:
            return _quoted(shown)
        if shown.startswith("\0/") and "\0" not in shown[1:]:
            if _SAFE.fullmatch(shown[1:]):
                return f"~{shown[1:]}"
            head = f"{self.lab}/" if shown.startswith(f"\0{self.lab[1:]}/") else "~/"
            return head + _quoted(shown[len(head) :])
        if _SAFE.fullmatch(shown.replace("\0", "")):
            return shown.replace("\0", "$HOME")
        escaped = re.sub(r'(["`\\$])', r"\\\1", shown)
        return f'"{escaped}"'.replace("\0", "$HOME")

    def command(self, argv: list[str], *, option_a_line: bool = False) -> str:
        """A command line as a reader types it, wrapped at its options.

        Args:
            argv: The program and its arguments.
            option_a_line: Give every option a line of its own once the command does not fit one; else fill lines.
        """
        words = [self.argument(word) for word in argv]
        line = " ".join(words)
        if len(line) <= WIDTH:
            return line
        groups = [words[:1]]
        for word in words[1:]:
            alone = len(groups) > 1 and len(groups[-1]) == 1 and _is_option(groups[-1][0])
            # A word after an option is likely its value and stays with it; every other word may begin a line.
            if alone and not _is_option(word):
                groups[-1].append(word)
            else:
                groups.append([word])
        return _fill([" ".join(group) for group in groups], one_each=option_a_line)

    def text(self, line: str) -> str:
        """Return a line of bash as a reader types it, with paths that mean the same to the reader's bash.

        Bash expands a tilde at the beginning of a word only, so a path further in, or in double quotes, is written with ``$HOME``. Single
        quotes are closed around it: ``'a='"$HOME"'/kvm-lab'``. Behind a blank in single quotes the tilde stays: there it is for the
        program that gets the text, such as ``gdb -ex 'file ~/kvm-lab/…'``.
        """
        # No command line holds a NUL: it marks the home that was put in, as distinct from a tilde of the author's.
        shown = self._replaced(self.secrets.mask(line), "\0")
        if "\0" not in shown:
            return shown
        kinds = quoting(shown)

        def home(found: re.Match[str]) -> str:
            quote, kind = found["quote"] or "", kinds[found.end() - 1]
            before = shown[found.start("home") - 1 : found.start("home")]
            if kind is Quoting.DOUBLE:
                return f"{quote}$HOME"
            if kind is Quoting.NONE:
                return f"{quote}$HOME" if re.match(r"[^\s(;|&]", before) else "~"
            if kind is Quoting.LITERAL or before.isspace():
                return f"{quote}~"
            reopened = "$'" if kind is Quoting.ANSI else "'"
            # A quote that opens right before the path would hold nothing.
            opens = quote and kinds[found.start()] is Quoting.NONE
            return f'"$HOME"{reopened}' if opens else f'{quote}\'"$HOME"{reopened}'

        return re.sub(r"(?P<quote>\$?')?(?P<home>\0)", home, shown)


def _at_home(path: str, tilde: str) -> str:
    """A path of the reader's with something else for its tilde."""
    return tilde + path[1:] if path == "~" or path.startswith("~/") else path


@lru_cache(maxsize=64)
def _whole_path(path: str, put_in: tuple[str, ...]) -> re.Pattern[str]:
    """Finds a path, but not where its text is part of another: ``/src`` is not in ``/usr/src``, nor in ``/src-2``, nor behind another that was found.

    What stands before it in a command or an output may be an option (``-I/src``), a colour's code or ``file://``. A text that ends in a dot is
    the beginning of paths (`homes`).
    """
    before = r"(?:(?<![\w./~])|(?<=-[A-Za-z])|(?<=[\d\[]m)|(?<=://))"
    not_behind = "".join(f"(?<!{re.escape(text)})" for text in put_in if text)
    after = "" if path.endswith("/.") else r"(?![\w-]|\.\w)"
    return re.compile(f"{not_behind}{before}{re.escape(path)}{after}", re.ASCII)


def _quoted(word: str) -> str:
    if _SAFE.fullmatch(word):
        return word
    return in_ascii_quotes(word) if UNSEEN.search(word) else shlex.quote(word)


def _is_option(word: str) -> bool:
    return word.startswith(("-", "'-", '"-'))


def _fill(groups: list[str], *, one_each: bool) -> str:
    """Join words into lines that end in a backslash, the later ones indented."""
    lines = [groups[0]]
    for group in groups[1:]:
        if not one_each and len(lines[-1]) + len(group) + 3 <= WIDTH:
            lines[-1] += f" {group}"
        else:
            lines.append(f"    {group}")
    return " \\\n".join(lines)
