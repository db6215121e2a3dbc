r"""Follow pages of the built site as a reader does: type what their copy buttons give, and nothing else.

::

    python scripts/reader.py --install --shell 'chroot /srv/bare /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb' \
        --say '<mirror>=http://mirror.example' site/en/get/linux.html site/en/build/linux.html

Host commands go into a bash that ``--shell`` begins, in one terminal; a debugger gets a terminal of its own, as it keeps the one it is
started in; a guest's commands go to its shell by socat, as the pages say. A command that ends with another status than the page tells stops
everything: then a reader would be stuck there too.

With ``--install`` what a page says is to be installed first is typed, too, by root: the line for the package manager that the shell has.
With ``--boxes`` commands that have a button for all of them are pasted as that button gives them, in one go.

Exit codes: 0 all was typed and went as on the page, 1 something did not, 2 wrong use.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pexpect

DONE = "reader-is-told"
"""What ends a command's output; typed with a gap in it, so that its echo is not taken for it."""

HERE = "reader-is-here"
"""What a guest's shell is asked to say until it answers; typed in the same way."""

GUEST_READY = 300.0
"""Seconds a machine has until its shell answers."""


@dataclass
class Typed:
    """One thing a page lets a reader copy.

    Attributes:
        recipe: Whose transcript it stands in.
        where: Who it is typed to: ``host``, ``root``, ``gdb``, ``guest``, ``qmp``, ``hmp``, ``file``; ``install`` for what is to be installed first.
        machine: Label of the terminal.
        text: What the copy button gives.
        status: The exit status the page tells, "" for 0.
    """

    recipe: str
    where: str
    machine: str
    text: str
    status: str = ""


class Page(HTMLParser):
    """Reads what can be copied from a page's transcripts, in order."""

    def __init__(self, *, boxes: bool = False) -> None:
        super().__init__()
        self.found: list[Typed] = []
        self._boxes = boxes
        self._whole = False
        self._recipe = self._where = self._machine = ""
        self._collect = ""
        self._installs = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a transcript, a terminal, or something to copy."""
        given = {name: value or "" for name, value in attrs}
        looks = given.get("class", "").split()
        if "data-recipe" in given:
            self._recipe = given["data-recipe"]
        elif "tr-run" in looks:
            self._where = next(look.removeprefix("tr-at-") for look in looks if look.startswith("tr-at-"))
            self._whole = False
        elif "tr-badge" in looks:
            self._collect, self._machine = "badge", ""
        elif "tr-fact" in looks:
            self._collect = "fact"
        elif tag == "details":
            self._installs = "tr-install" in looks
        elif tag == "code" and self._installs:
            self._collect = "install"
        elif "tr-copy" in looks and self._boxes:
            self._whole = True
            self.found.append(Typed(self._recipe, self._where, self._machine, given["data-clipboard-text"]))
        elif "data-copy" in given and self._whole:
            self.found[-1].status = ""  # what counts is the status of the last command
        elif "data-copy" in given and self._recipe:
            self.found.append(Typed(self._recipe, self._where, self._machine, given["data-copy"]))

    def handle_endtag(self, tag: str) -> None:
        """Note the end of what is to be installed."""
        self._installs = self._installs and tag != "details"

    def handle_data(self, data: str) -> None:
        """Note a terminal's label, or an exit status."""
        if self._collect == "badge":
            self._machine = data.partition(" · ")[2].strip()
        elif self._collect == "fact" and (status := re.search(r"\b(?:exit status|status) (\d+)", data)):
            self.found[-1].status = status[1]
        elif self._collect == "install":
            self.found.append(Typed("", "install", "", data.strip()))
        self._collect = ""


class Stuck(Exception):
    """A reader could not go on."""


@dataclass
class Desk:
    """The terminals a reader has open."""

    shell: str
    log: Path
    terminals: dict[tuple[str, str, str], pexpect.spawn[str]] = field(default_factory=dict)
    folder: str = "~"

    def open(self, key: tuple[str, str, str]) -> pexpect.spawn[str]:
        """A terminal with a shell in it."""
        if key not in self.terminals:
            command = [*shlex.split(self.shell), "bash", "--norc", "-i"]
            child = pexpect.spawn(
                command[0], command[1:], encoding="utf-8", codec_errors="replace", timeout=60, dimensions=(50, 4000)
            )
            child.logfile_read = self.log.open("a", encoding="utf-8")
            child.delaybeforesend = None
            self.terminals[key] = child
            self.run(child, f"PS1= ; cd {self.folder}", 60)
        return self.terminals[key]

    def run(self, child: pexpect.spawn[str], text: str, timeout: float) -> str:
        """Type something to a shell and wait for its end; returns its exit status."""
        child.sendline(text)
        child.sendline(f'echo "{DONE[:6]}""{DONE[6:]}:$?"')
        child.expect(rf"{DONE}:(\d+)\s", timeout=timeout)
        return told(child)

    def type(self, one: Typed, timeout: float) -> None:
        """Type one thing where the page says."""
        if one.where in ("host", "root", "file"):
            self.host(one, timeout)
        elif one.where == "install":
            self.install(one, timeout)
        elif one.where == "gdb":
            self.gdb(one, timeout)
        elif one.where == "guest":
            self.guest(one, timeout)
        else:
            raise Stuck(f"nobody here to type {one.where} commands to")

    def host(self, one: Typed, timeout: float) -> None:
        """Type to the host's shell, or start a debugger in a terminal of its own."""
        for change in re.finditer(r"^(?:mkdir -p \S+ && )?cd (\S+) &&", one.text, re.MULTILINE):
            self.folder = change[1]
        child = self.open(("host", "", ""))
        last = re.sub(r" \\\n\s*", " ", one.text.removesuffix("\n}")).rpartition("\n")[2]
        if last.startswith("gdb ") and "-batch" not in last:
            debugger = self.open(("gdb", one.recipe, ""))
            debugger.sendline(one.text)
            debugger.expect_exact("(gdb) ", timeout=timeout)
            return
        status = self.run(child, one.text, timeout)
        if status != (one.status or "0"):
            raise Stuck(f"ended with status {status}, on the page with {one.status or 0}")

    def install(self, one: Typed, timeout: float) -> None:
        """Type what is to be installed, and yes, if the shell's package manager is the one it is for."""
        child = self.open(("host", "", ""))
        manager = one.text.partition(" ")[0]
        if self.run(child, f"command -v {manager}", timeout) != "0":
            return
        child.sendline(f'{one.text}; echo "{DONE[:6]}""{DONE[6:]}:$?"')
        while child.expect([rf"{DONE}:(\d+)\s", re.escape("[Y/n] ")], timeout=timeout) == 1:
            child.sendline("y")
        if (status := told(child)) != "0":
            raise Stuck(f"nothing was installed: status {status}")

    def gdb(self, one: Typed, timeout: float) -> None:
        """Type to the debugger, line by line."""
        child = self.terminals.get(("gdb", one.recipe, ""))
        if child is None:
            raise Stuck("no debugger was started for it")
        for line in one.text.split("\n"):
            child.sendline(line)
            child.expect_exact("(gdb) ", timeout=timeout)

    def guest(self, one: Typed, timeout: float) -> None:
        """Type to a guest's shell, reached first if it is not yet."""
        key = ("guest", one.recipe, one.machine)
        fresh = key not in self.terminals
        child = self.open(key)
        if fresh:
            self.connect(child, f"~/kvm-lab/{one.recipe}/{one.machine or 'vm'}.shell")
        # On the same line: reading the next one makes a status of its own.
        gap = " " if one.text.rstrip().endswith("&") else "; "
        child.sendline(f'{one.text}{gap}echo "{DONE[:6]}""{DONE[6:]}:$?"')
        child.expect(rf"{DONE}:(\d+)\s", timeout=timeout)
        status = told(child)
        if status != (one.status or "0"):
            raise Stuck(f"ended with status {status} in the guest, on the page with {one.status or 0}")

    def connect(self, child: pexpect.spawn[str], socket: str) -> None:
        """Reach a guest's shell, as soon as there is one."""
        folder, _, name = socket.rpartition("/")
        child.sendline(f"stty -echo; cd {folder}; until test -S {name}; do sleep 0.2; done; exec socat - UNIX-CONNECT:{name}")
        for number in range(int(GUEST_READY / 5)):
            # Each with its number: the answers to those that came too early are not to be taken for the statuses of commands.
            child.sendline(f'echo "{HERE[:6]}""{HERE[6:]}:{number}"')
            if child.expect([rf"{HERE}:{number}\s", pexpect.TIMEOUT], timeout=5) == 0:
                return
        raise Stuck(f"no shell answers on {socket}")

    def close(self) -> None:
        """Close every terminal; what ran in them ends."""
        for child in self.terminals.values():
            child.close(force=True)


def told(child: pexpect.spawn[str]) -> str:
    """The exit status that stands behind the mark just seen."""
    assert isinstance(child.match, re.Match)
    return str(child.match[1])


def things(page: Path, *, boxes: bool) -> list[Typed]:
    """What a page lets a reader copy, once each: the same section may be shown twice."""
    reader = Page(boxes=boxes)
    reader.feed(page.read_text("utf-8"))
    once: dict[tuple[str, str, str, str], Typed] = {}
    for one in reader.found:
        key = (one.recipe, one.where, one.machine, one.text)
        # What is typed to a debugger or a guest again is another command; a host's block shown again is the same one.
        once.setdefault(key if one.where in ("host", "root", "file", "install") else (*key[:3], str(len(once))), one)
    return list(once.values())


def main() -> int:
    """Follow the pages; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--shell", default="env", help="the command that begins a shell in the bare root")
    parser.add_argument(
        "--say", action="append", default=[], metavar="TEXT=REAL", help="what a reader puts in the place of a text"
    )
    parser.add_argument("--install", action="store_true", help="the shell is root's: install what a page says first")
    parser.add_argument("--boxes", action="store_true", help="paste commands together where a button gives them together")
    parser.add_argument("--only", action="append", default=[], metavar="RECIPE", help="of these recipes alone")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds for one command")
    parser.add_argument("--log", type=Path, default=Path("reader.log"))
    given = parser.parse_args()
    desk = Desk(given.shell, given.log)
    try:
        for page in given.pages:
            for one in things(page, boxes=given.boxes):
                if (given.only and one.recipe not in given.only) or (one.where == "install" and not given.install):
                    continue
                for said in given.say:
                    one.text = one.text.replace(*said.split("=", 1))
                print(f"{page.stem} · {one.recipe} · {one.where} $ {one.text.splitlines()[-1][:120]}", flush=True)
                try:
                    desk.type(one, given.limit)
                except (Stuck, pexpect.TIMEOUT, pexpect.EOF) as error:
                    print(
                        f"stuck at:\n{one.text}\n{error if isinstance(error, Stuck) else type(error).__name__}", file=sys.stderr
                    )
                    return 1
    finally:
        desk.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
