"""Display of the host's paths and addresses to a reader.

In the store, the name of a recipe's workspace contains the recipe's key. A reader has one folder, ``~/kvm-lab``, with one
folder for each recipe. `PathDisplay` maps the former to the latter in all text that leaves a recipe: commands, output, logs,
messages. It also hides what must not be shown: the addresses of package mirrors, and the project's location on the disk.
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

ENGINE = Path(__file__).parents[1]
"""Folder of the engine's package."""

WIDTH = 96
"""Columns at which a command is wrapped: the width of a page without a scroll bar."""

KEY_LENGTH = 16
"""Hexadecimal digits of the key in the name of a workspace. 64 bits distinguish the keys of one recipe."""

_NEIGHBOUR = re.compile(rf"\.\./(\w+)-[0-9a-f]{{{KEY_LENGTH}}}(?![0-9a-f])")

_SAFE = re.compile(r"(?!~)(?:[\w@%+,./~-]|[=:](?!~))+", re.ASCII)
"""Text that a shell does not change. A shell expands a tilde at the beginning of a word, and in ``a=~`` and ``a:~``."""


def homes(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the user's home folders, each with its replacement for display.

    There may be two: ``HOME`` of the environment, and the one in the host's user database. Programs may keep files in the
    latter even if a job has another ``HOME``.
    """
    folders = [environ.get("HOME", "")]
    with contextlib.suppress(KeyError):  # a container may have no entry for the user id
        folders.append(pwd.getpwuid(os.getuid()).pw_dir)
    # `/root` is the home in every guest, too; only paths to hidden files in it are replaced.
    return {home: "~" for home in folders if home.count("/") > 1} | {
        f"{home}/.": "~/." for home in folders if home.count("/") == 1 and home.strip("/")
    }


@dataclass
class PathDisplay:
    """Mapping from the host's paths to those that a reader sees.

    Attributes:
        work: The store's folder of workspaces, each named ``<recipe>-<first digits of the key>``.
        lab: The readable folder, such as ``~/kvm-lab``.
        masks: Text that must not be shown, with its replacement; the longest match wins.
        secrets: Secrets; they are removed first.
    """

    work: Path
    lab: str = "~/kvm-lab"
    masks: dict[str, str] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets)

    @cached_property
    def _workspace(self) -> re.Pattern[str]:
        return re.compile(rf"{re.escape(str(self.work))}/(\w+)-[0-9a-f]{{{KEY_LENGTH}}}(?![0-9a-f])")

    def mask(self, text: str, shown: str) -> None:
        """Replace `text` by `shown` from now on."""
        if text and text != shown:
            self.masks[text] = shown

    def readable(self, text: str) -> str:
        """Return `text` as a reader may see it. Text that names nothing of this host is unchanged."""
        return self.without_secrets(self.secrets.mask(text))

    def without_secrets(self, text: str) -> str:
        """Return `text` as `readable` does, given that secrets are removed already (`kvmdocs.recording.capture`)."""
        return self._replaced(text, "~")

    def _replaced(self, text: str, tilde: str) -> str:
        """Return `text` as `without_secrets` does, with `tilde` in place of the tilde that stands for the reader's home."""
        lab = _at_home(self.lab, tilde)
        text = self._workspace.sub(lambda match: f"{lab}/{match[1]}", text)
        # Builds, debuggers and compilers name a neighbouring source tree by a relative path.
        text = _NEIGHBOUR.sub(r"../\1", text)
        put_in = tuple(_at_home(shown, tilde) for shown in self.masks.values())
        for hidden in sorted(self.masks, key=len, reverse=True):
            shown = _at_home(self.masks[hidden], tilde)
            if hidden[0] == "/":
                text = _whole_path(hidden, put_in).sub(shown.replace("\\", r"\\"), text)
            else:
                text = text.replace(hidden, shown)
        return text

    def argument(self, argument: str) -> str:
        """Return one argument of a command as it is typed, quoted if a shell requires it.

        A shell expands a tilde only at the beginning of a word, so a path of the lab further in is written with ``$HOME``.
        """
        # No argument contains a NUL: it marks the home that was put in, as distinct from a tilde of the command.
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
        """Return a command line as a reader types it, wrapped at its options.

        Args:
            argv: The program and its arguments.
            option_a_line: If the command does not fit one line, put each option on a line of its own; otherwise fill the lines.
        """
        words = [self.argument(word) for word in argv]
        line = " ".join(words)
        if len(line) <= WIDTH:
            return line
        groups = [words[:1]]
        for word in words[1:]:
            alone = len(groups) > 1 and len(groups[-1]) == 1 and _is_option(groups[-1][0])
            # A word after an option is likely its value and stays on its line.
            if alone and not _is_option(word):
                groups[-1].append(word)
            else:
                groups.append([word])
        return _fill([" ".join(group) for group in groups], one_each=option_a_line)

    def text(self, line: str) -> str:
        """Return a line of bash as a reader types it. Its paths mean the same to the reader's bash.

        Bash expands a tilde only at the beginning of a word, so a path further in, or in double quotes, is written with
        ``$HOME``. Single quotes are closed around ``$HOME``: ``'a='"$HOME"'/kvm-lab'``. After a blank in single quotes the
        tilde is kept for the program that gets the text, such as ``gdb -ex 'file ~/kvm-lab/…'``.
        """
        # No line contains a NUL: it marks the home that was put in, as distinct from a tilde that the author wrote.
        shown = self._replaced(self.secrets.mask(line), "\0")
        if "\0" not in shown:
            return shown
        kinds = quoting(shown)

        def home(match: re.Match[str]) -> str:
            quote, kind = match["quote"] or "", kinds[match.end() - 1]
            before = shown[match.start("home") - 1 : match.start("home")]
            if kind is Quoting.DOUBLE:
                return f"{quote}$HOME"
            if kind is Quoting.NONE:
                return f"{quote}$HOME" if re.match(r"[^\s(;|&]", before) else "~"
            if kind is Quoting.LITERAL or before.isspace():
                return f"{quote}~"
            reopened = "$'" if kind is Quoting.ANSI else "'"
            # A quote that opens right before the path would hold nothing.
            opens = quote and kinds[match.start()] is Quoting.NONE
            return f'"$HOME"{reopened}' if opens else f'{quote}\'"$HOME"{reopened}'

        return re.sub(r"(?P<quote>\$?')?(?P<home>\0)", home, shown)


def _at_home(path: str, tilde: str) -> str:
    """Return a path of the reader's with `tilde` in place of its tilde."""
    return tilde + path[1:] if path == "~" or path.startswith("~/") else path


@lru_cache(maxsize=64)
def _whole_path(path: str, put_in: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern for a path that does not match within another path.

    ``/src`` is not found in ``/usr/src`` or ``/src-2``, nor behind a replacement. It is found after an option (``-I/src``), a
    colour's code and ``file://``. A path that ends in a dot is the beginning of paths (`homes`).
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
    """Join words to lines that end in a backslash. All but the first are indented."""
    lines = [groups[0]]
    for group in groups[1:]:
        if not one_each and len(lines[-1]) + len(group) + 3 <= WIDTH:
            lines[-1] += f" {group}"
        else:
            lines.append(f"    {group}")
    return " \\\n".join(lines)
