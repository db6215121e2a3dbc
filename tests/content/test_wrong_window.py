"""Guests' commands do no harm in a window of the host.

Each text of each page is pasted there, as an ordinary user without devices."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.copied import transcripts
from tests.support.pages import Site, guides

pytestmark = pytest.mark.slow

ENDS = 10.0
"""Seconds within which a pasted text must end; all of it ends at once if no command is found."""

ALWAYS = (
    "rmmod",
    "modprobe",
    "poweroff",
    "reboot",
    "halt",
    "shutdown",
    "killall",
    "pkill",
    "kill",
    "mkfs",
    "mkfs.ext4",
    "wipefs",
    "sysctl",
    "swapoff",
)
"""Programs that harm a host with any argument."""

ON_WHAT_IS_THERE = ("chmod", "chown", "chgrp", "rm", "mv", "dd", "truncate", "ln", "umount")
"""Programs that harm a host if their arguments exist."""

DISKS = ("vda", "sda", "nvme0n1", "kvm")
"""Devices of a host. Here they are files, so that a write to one is noticed."""

CLOSED = [word for place in ("tracing", "debug") for word in ("--perms", "0000", "--dir", f"/sys/kernel/{place}")]
"""Directories that only root can enter."""

STUB = """\
#!/bin/sh
name=${{0##*/}}
{condition} && echo "$name $*" >>/home/called
exec /usr/bin/$name "$@" </dev/null
"""

THERE = 'for one; do case $one in if=*) ;; *) [ -e "${one#of=}" ] && there=1 ;; esac; done; [ "$there" ]'

CLEARS = 'case " $* " in *" -c "*|*" -C "*) ;; *) false ;; esac'


class Host:
    """An ordinary host to paste into: a home directory, /tmp and /dev with files of the names in guests' commands.

    Args:
        folder: Its directory.
        texts: The texts that will be pasted.
    """

    def __init__(self, folder: Path, texts: list[str]) -> None:
        self.folder = folder
        words = {word for text in texts for word in re.findall(r"[\w./-]+", text)}
        named = {name for word in words if (name := Path(word).name).strip(".") and not name.isdigit()}
        for place in ("home", "tmp"):
            for name in named:
                self._put(folder / place / name)
        for name in DISKS:
            self._put(folder / "dev" / name)
        stubs = folder / "stubs"
        stubs.mkdir()
        for names, condition in ((ALWAYS, "true"), (ON_WHAT_IS_THERE, THERE), (("dmesg",), CLEARS)):
            for name in names:
                (stubs / name).write_text(STUB.format(condition=condition))
                (stubs / name).chmod(0o755)

    def _put(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"mine: {path.name}\n")

    def state(self) -> dict[str, tuple[int, str]]:
        """Return the mode and content of each file."""
        return {
            str(path.relative_to(self.folder)): (stat.S_IMODE(path.lstat().st_mode), path.read_text() if path.is_file() else "")
            for path in self.folder.rglob("*")
        }

    def paste(self, text: str) -> str:
        """Paste a text into a shell and wait for all that it starts. Return what went wrong, "" for nothing."""
        binds = [word for place in ("home", "tmp") for word in ("--bind", str(self.folder / place), f"/{place}")]
        binds += [word for name in DISKS for word in ("--bind", str(self.folder / "dev" / name), f"/dev/{name}")]
        binds += ["--ro-bind", str(self.folder / "stubs"), "/opt"]
        command = ["bwrap", "--unshare-all", "--die-with-parent", "--uid", "65534", "--gid", "65534", "--ro-bind", "/", "/"]
        command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/sys", *CLOSED, "--remount-ro", "/sys", *binds]
        command += ["--chdir", "/home", "--clearenv"]
        command += ["--setenv", "PATH", "/opt:/usr/bin:/bin:/usr/sbin:/sbin", "--setenv", "HOME", "/home"]
        # A terminal continues after a failed line, and so does a shell that reads its lines from a pipe.
        lines = f"enable -n kill\n{text}\nwait\n"
        try:
            done = subprocess.run(
                [*command, "bash", "--norc"], input=lines, text=True, capture_output=True, timeout=ENDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"it does not end: {text}"
        called = self.folder / "home/called"
        if called.exists():
            said = called.read_text()
            called.unlink()
            return f"it calls {said!r}: {text}"
        assert "bwrap:" not in done.stderr, done.stderr
        return ""


def harm(folder: Path, texts: list[str]) -> list[str]:
    """Return the harm that texts do to a host."""
    host = Host(folder, texts)
    before = host.state()
    found = []
    for text in texts:
        found += [said] if (said := host.paste(text)) else []
        after = host.state()
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        found += [f"it changes {', '.join(changed)}: {text}"] if changed else []
        before = after
    return found


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory for a sandboxed host, or skip if this host cannot make one."""
    if shutil.which("bwrap") is None:
        pytest.skip("not on this host: bwrap")
    probe = subprocess.run(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True, check=False
    )
    if probe.returncode:
        pytest.skip(f"this host lets nobody have namespaces: {probe.stderr.strip()}")
    return tmp_path_factory.mktemp("host")


def typed_into_guests(site: Site) -> list[str]:
    """Return the texts that the buttons of all pages give for guests, without duplicates; both languages have the same."""
    found = [
        copy.text
        for page in guides()
        for transcript in transcripts(site.text(page))
        for copy in transcript.copies
        if copy.where == "guest"
    ]
    return list(dict.fromkeys(found))


def test_what_is_typed_into_a_guest_does_no_harm_on_a_host(site: Site, sandbox: Path) -> None:
    texts = typed_into_guests(site)
    assert len(texts) > 200
    assert harm(sandbox, texts) == []


def test_guests_set_nothing_of_a_kernel_that_stays_set(site: Site) -> None:
    """Permissions do not stop a root shell. Only tracing and KVM's parameters may be set, since these can be set back."""
    lasting = re.compile(r">\s*/(?:proc|sys)/(?!kernel/(?:tracing|debug)/|module/kvm)")
    assert [text for text in typed_into_guests(site) if lasting.search(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "dd if=/dev/zero of=/dev/vda bs=4k count=1",
        "while :; do cat /proc/version; done >/dev/null 2>&1 &",
        "until grep -q hello /tmp/serial; do sleep 1; done",
        "echo >trace",
        "cd /sys/kernel/tracing; echo 0 >tracing_on",
        "echo 1 >/tmp/calls",
        "rmmod kvm_amd",
        "poweroff -f",
        "chmod 666 /dev/kvm",
        "dmesg -c",
        "sleep 0.1 & kill $!",
        "rm trace",
        "cat <<'EOF' >calls\nx\nEOF",
    ],
)
def test_harm_is_found(sandbox: Path, text: str) -> None:
    assert harm(sandbox, [text, "echo trace calls tracing_on /tmp/calls"]) != []


def test_what_does_nothing_is_let_through(sandbox: Path) -> None:
    assert (
        harm(
            sandbox,
            ["dd if=/dev/zero of=/guest/dev/vda", "await 'grep -q x /guest/tmp/x'", "ls -l /dev/kvm", "dmesg | tail -n 1"],
        )
        == []
    )
