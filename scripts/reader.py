r"""Follow pages of the built site as a reader does: type the texts of their copy buttons and nothing else.

::

    python scripts/reader.py --install \
        --shell 'chroot /srv/bare /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb' \
        --say '<mirror>=http://mirror.example' site/en/get/linux.html site/en/build/linux.html

Host commands go into a bash that ``--shell`` starts, all in one terminal. A debugger gets a separate terminal, because it keeps
the one that it is started in. A guest's commands go to its shell through socat, as the pages say. If a command exits with
another status than on the page, the script stops: a reader would be stuck there, too.

With ``--install`` the script first installs, as root, what the page asks for, with the line for the shell's package manager.
With ``--boxes`` commands that share a copy button are pasted together.

Exit codes: 0 every command went as on the page, 1 one did not, 2 wrong use.
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
"""Mark at the end of a command's output. It is typed in two parts, so that its echo does not match."""

HERE = "reader-is-here"
"""Text that a guest's shell is asked to print until it answers; typed in the same way."""

GUEST_READY = 300.0
"""Seconds to wait for a machine's shell."""


@dataclass
class Typed:
    """Text that a page offers for copying.

    Attributes:
        recipe: Recipe of the transcript.
        where: Terminal it is typed to: ``host``, ``root``, ``gdb``, ``guest``, ``qmp``, ``hmp``, ``file``; ``install`` for
            the installation of packages.
        machine: Label of the terminal.
        text: Text of the copy button.
        status: Exit status on the page; "" for 0.
    """

    recipe: str
    where: str
    machine: str
    text: str
    status: str = ""


class Page(HTMLParser):
    """Parser that collects the texts to copy from a page's transcripts, in order."""

    def __init__(self, *, boxes: bool = False) -> None:
        super().__init__()
        self.found: list[Typed] = []
        self._boxes = boxes
        self._together = False
        self._recipe = self._where = self._machine = ""
        self._collect = ""
        self._installs = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a transcript, a terminal, or a text to copy."""
        attributes = {name: value or "" for name, value in attrs}
        looks = attributes.get("class", "").split()
        if "data-recipe" in attributes:
            self._recipe = attributes["data-recipe"]
        elif "tr-run" in looks:
            self._where = next(look.removeprefix("tr-at-") for look in looks if look.startswith("tr-at-"))
            self._together = False
        elif "tr-badge" in looks:
            self._collect, self._machine = "badge", ""
        elif "tr-fact" in looks:
            self._collect = "fact"
        elif tag == "details":
            self._installs = "tr-install" in looks
        elif tag == "code" and self._installs:
            self._collect = "install"
        elif "tr-copy" in looks and self._boxes:
            self._together = True
            self.found.append(Typed(self._recipe, self._where, self._machine, attributes["data-clipboard-text"]))
        elif "data-copy" in attributes and self._together:
            self.found[-1].status = ""  # only the last command's status counts
        elif "data-copy" in attributes and self._recipe:
            self.found.append(Typed(self._recipe, self._where, self._machine, attributes["data-copy"]))

    def handle_endtag(self, tag: str) -> None:
        """Note the end of the installation commands."""
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
    """Error at which a reader could not go on."""


@dataclass
class Desk:
    """Terminals that a reader has open.

    Attributes:
        shell: Command that starts a shell in the bare root.
        log: File with all output.
        terminals: Open terminals by kind, recipe and machine.
        folder: Working directory of new terminals.
    """

    shell: str
    log: Path
    terminals: dict[tuple[str, str, str], pexpect.spawn[str]] = field(default_factory=dict)
    folder: str = "~"

    def open(self, key: tuple[str, str, str]) -> pexpect.spawn[str]:
        """Return a terminal with a shell; open it if necessary."""
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
        """Type a command to a shell and wait until it ends; return its exit status."""
        child.sendline(text)
        child.sendline(f'echo "{DONE[:6]}""{DONE[6:]}:$?"')
        child.expect(rf"{DONE}:(\d+)\s", timeout=timeout)
        return read_status(child)

    def type(self, one: Typed, timeout: float) -> None:
        """Type a text to the terminal that the page names."""
        if one.where in ("host", "root", "file"):
            self.host(one, timeout)
        elif one.where == "install":
            self.install(one, timeout)
        elif one.where == "gdb":
            self.gdb(one, timeout)
        elif one.where == "guest":
            self.guest(one, timeout)
        elif one.where in ("qmp", "hmp"):
            self.monitor(one, timeout)
        else:
            raise Stuck(f"this script cannot type {one.where} commands")

    def host(self, one: Typed, timeout: float) -> None:
        """Type to the host's shell, or start a debugger in a separate terminal."""
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
            raise Stuck(f"exit status {status}, but {one.status or 0} on the page")

    def install(self, one: Typed, timeout: float) -> None:
        """Type an installation command and confirm it, if the shell has its package manager."""
        child = self.open(("host", "", ""))
        manager = one.text.partition(" ")[0]
        if self.run(child, f"command -v {manager}", timeout) != "0":
            return
        child.sendline(f'{one.text}; echo "{DONE[:6]}""{DONE[6:]}:$?"')
        while child.expect([rf"{DONE}:(\d+)\s", re.escape("[Y/n] ")], timeout=timeout) == 1:
            child.sendline("y")
        if (status := read_status(child)) != "0":
            raise Stuck(f"the installation failed with status {status}")

    def gdb(self, one: Typed, timeout: float) -> None:
        """Type to the debugger, line by line."""
        child = self.terminals.get(("gdb", one.recipe, ""))
        if child is None:
            raise Stuck("the page did not start a debugger before")
        for line in one.text.split("\n"):
            child.sendline(line)
            child.expect_exact("(gdb) ", timeout=timeout)

    def guest(self, one: Typed, timeout: float) -> None:
        """Type to a guest's shell; connect to it first if necessary."""
        key = ("guest", one.recipe, one.machine)
        unconnected = key not in self.terminals
        child = self.open(key)
        if unconnected:
            self.connect(child, f"~/kvm-lab/{one.recipe}/{one.machine or 'vm'}.shell")
        # On the same line, since reading another line would change $?.
        gap = " " if one.text.rstrip().endswith("&") else "; "
        child.sendline(f'{one.text}{gap}echo "{DONE[:6]}""{DONE[6:]}:$?"')
        child.expect(rf"{DONE}:(\d+)\s", timeout=timeout)
        status = read_status(child)
        if status != (one.status or "0"):
            raise Stuck(f"exit status {status} in the guest, but {one.status or 0} on the page")

    def monitor(self, one: Typed, timeout: float) -> None:
        """Type to a machine's monitor through socat; connect to it first, as the page "Start a VM" says."""
        key = (one.where, one.recipe, one.machine)
        is_new = key not in self.terminals
        child = self.open(key)
        if is_new:
            name = f"{one.machine or 'vm'}.{one.where}"
            child.sendline(f"stty -echo; cd ~/kvm-lab/{one.recipe}; exec socat - UNIX-CONNECT:{name}")
            if one.where == "qmp":
                child.expect('"QMP"', timeout=timeout)
                child.sendline('{"execute": "qmp_capabilities"}')
                child.expect(r'"return": \{\}', timeout=timeout)
            else:
                child.expect_exact("(qemu) ", timeout=timeout)
        for line in one.text.split("\n"):
            child.sendline(line)
            if one.where == "hmp":
                child.expect_exact("(qemu) ", timeout=timeout)
            elif child.expect(['"return":', '"error":'], timeout=timeout) == 1:
                raise Stuck("the monitor answers with an error")

    def connect(self, child: pexpect.spawn[str], socket: str) -> None:
        """Connect to a guest's shell as soon as it answers."""
        folder, _, name = socket.rpartition("/")
        child.sendline(f"stty -echo; cd {folder}; until test -S {name}; do sleep 0.2; done; exec socat - UNIX-CONNECT:{name}")
        for number in range(int(GUEST_READY / 5)):
            # Numbered, so that late answers are not taken for a command's status.
            child.sendline(f'echo "{HERE[:6]}""{HERE[6:]}:{number}"')
            if child.expect([rf"{HERE}:{number}\s", pexpect.TIMEOUT], timeout=5) == 0:
                return
        raise Stuck(f"no shell answers on {socket}")

    def close(self) -> None:
        """Close every terminal and end what runs in it."""
        for child in self.terminals.values():
            child.close(force=True)


def read_status(child: pexpect.spawn[str]) -> str:
    """Return the exit status behind the mark that was just matched."""
    assert isinstance(child.match, re.Match)
    return str(child.match[1])


def texts_to_type(page: Path, *, boxes: bool) -> list[Typed]:
    """Return the texts that a page offers for copying, each once: a page may show the same section twice."""
    reader = Page(boxes=boxes)
    reader.feed(page.read_text("utf-8"))
    once: dict[tuple[str, str, str, str], Typed] = {}
    for one in reader.found:
        key = (one.recipe, one.where, one.machine, one.text)
        # A command that is shown again for the host is the same one; for a debugger or a guest it is another one.
        once.setdefault(key if one.where in ("host", "root", "file", "install") else (*key[:3], str(len(once))), one)
    return list(once.values())


def main() -> int:
    """Follow the pages; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--shell", default="env", help="command that starts a shell in the bare root")
    parser.add_argument("--say", action="append", default=[], metavar="TEXT=REAL", help="text to replace, and its replacement")
    parser.add_argument("--install", action="store_true", help="install what a page asks for; the shell must be root's")
    parser.add_argument("--boxes", action="store_true", help="paste the commands of one button together")
    parser.add_argument(
        "--only", action="append", default=[], metavar="RECIPE", help="type only this recipe's commands; repeatable"
    )
    parser.add_argument("--limit", type=float, default=3600.0, help="time limit for one command in seconds")
    parser.add_argument("--log", type=Path, default=Path("reader.log"))
    options = parser.parse_args()
    desk = Desk(options.shell, options.log)
    try:
        for page in options.pages:
            for one in texts_to_type(page, boxes=options.boxes):
                if (options.only and one.recipe not in options.only) or (one.where == "install" and not options.install):
                    continue
                for replacement in options.say:
                    one.text = one.text.replace(*replacement.split("=", 1))
                print(f"{page.stem} · {one.recipe} · {one.where} $ {one.text.splitlines()[-1][:120]}", flush=True)
                try:
                    desk.type(one, options.limit)
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
