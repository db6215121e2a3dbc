"""Servers on the loopback interface for the duration of a test: no network is needed."""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, stdin: bytes = b"") -> bytes:
    """Run a command that must succeed; return its output."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stderr.decode('utf-8', 'replace')}"
    return done.stdout


@dataclass
class SigningKey:
    """Signing key of a test.

    Attributes:
        home: Its GnuPG home directory.
        fingerprint: Its full fingerprint.
    """

    home: Path
    fingerprint: str

    def gpg(self, *arguments: str | Path) -> bytes:
        """Run gpg with this key."""
        return run("gpg", "--homedir", self.home, "--batch", "--yes", *arguments)

    def public(self, path: Path) -> Path:
        """Write the public key to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.gpg("--armor", "--export", self.fingerprint))
        return path

    def sign(self, signed: Path, signature: Path) -> None:
        """Write a detached signature."""
        self.gpg("--output", signature, "--detach-sign", signed)


@contextmanager
def signing_key(name: str) -> Iterator[SigningKey]:
    """Yield a temporary key.

    Its home directory has a short path: gpg-agent listens on a socket in it, and a socket's path may have at most 107 bytes
    (unix(7)).
    """
    home = Path(tempfile.mkdtemp(prefix="gpg"))
    try:
        gpg = ("gpg", "--homedir", home, "--batch")
        run(*gpg, "--passphrase", "", "--quick-generate-key", f"{name} <{name}@example.org>", "ed25519", "sign", "never")
        listed = run(*gpg, "--list-keys", "--with-colons").decode()
        yield SigningKey(home, next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr")))
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


@dataclass
class Web:
    """HTTP server for a folder.

    Attributes:
        root: The folder. Git repositories below ``git/`` are served by git itself.
        url: The server's address.
        cut: Paths of which only the first half is sent.
        hung: Paths that are never answered.
        broken: Error status for everything below a path.
    """

    root: Path
    url: str = ""
    cut: set[str] = field(default_factory=set)
    hung: set[str] = field(default_factory=set)
    broken: dict[str, int] = field(default_factory=dict)


@contextmanager
def web_server(root: Path) -> Iterator[Web]:
    """Serve a folder on a free port of the loopback interface."""
    web = Web(root)
    stop = threading.Event()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(root))  # type: ignore[arg-type]  # the server's own three arguments

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's own name
            """Print nothing, to keep the test's output clean."""

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if path in web.hung:
                stop.wait(60)
            elif broken := next((status for below, status in web.broken.items() if path.startswith(below)), 0):
                self.send_error(broken)
            elif path.startswith("/git/"):
                self.git()
            elif path in web.cut:
                data = (root / path[1:]).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            else:
                super().do_GET()

        def do_POST(self) -> None:
            self.git()

        def git(self) -> None:
            """Answer with git's HTTP backend, a CGI program (git-http-backend(1))."""
            parts = urlsplit(self.path)
            variables = {
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": unquote(parts.path),
                "QUERY_STRING": parts.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            length = int(self.headers.get("Content-Length", 0))
            answer = run("git", "http-backend", env=variables, stdin=self.rfile.read(length))
            head, _, body = answer.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield web
    finally:
        stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silent_server() -> Iterator[str]:
    """Yield the address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listening:
        # The kernel completes connections to a listening socket without accept(2).
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def tarball(folder: Path, name: str, files: dict[str, str]) -> Path:
    """Pack ``<name>/`` with these files into ``<name>.tar`` and ``<name>.tar.xz`` in `folder`; return the latter."""
    tree = Path(tempfile.mkdtemp()) / name
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    folder.mkdir(parents=True, exist_ok=True)
    run("tar", "--create", "--file", folder / f"{name}.tar", name, cwd=tree.parent)
    run("xz", "--keep", folder / f"{name}.tar")
    shutil.rmtree(tree.parent)
    return folder / f"{name}.tar.xz"


def tagged_repository(folder: Path, key: SigningKey, tag: str, files: dict[str, str]) -> Path:
    """Make a git repository with one commit and one tag signed by `key`; return its path."""
    folder.mkdir(parents=True)
    for path, text in files.items():
        (folder / path).write_text(text)
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", f"user.signingkey={key.fingerprint}")
    run("git", "init", "--quiet", folder)
    run("git", "add", ".", cwd=folder)
    run("git", *identity, "commit", "--quiet", "--no-gpg-sign", "--message", "one", cwd=folder)
    run("git", *identity, "tag", "--sign", "--message", tag, tag, cwd=folder, env={"GNUPGHOME": str(key.home)})
    return folder


@dataclass
class Archive:
    """Debian archive in a folder.

    Attributes:
        root: The folder.
        key: Key that signs its index.
    """

    root: Path
    key: SigningKey

    def add(self, package: str, version: str, files: dict[str, str]) -> Path:
        """Add a source package to the archive; return the path of its ``.dsc``."""
        upstream = version.rpartition("-")[0]
        pool = self.root / "pool"
        packed = tarball(pool, f"{package}-{upstream}", files)
        packed.rename(pool / f"{package}_{upstream}.orig.tar.xz")
        packed.with_suffix("").unlink()
        run("tar", "--extract", "--file", f"{package}_{upstream}.orig.tar.xz", cwd=pool)
        tree = pool / f"{package}-{upstream}"
        person = "Tester <tester@example.org>"
        (tree / "debian/source").mkdir(parents=True)
        (tree / "debian/source/format").write_text("3.0 (quilt)\n")
        (tree / "debian/control").write_text(
            f"Source: {package}\nMaintainer: {person}\n\nPackage: {package}\nArchitecture: any\nDescription: a test\n"
        )
        date = format_datetime(datetime.now(UTC))
        (tree / "debian/changelog").write_text(
            f"{package} ({version}) stable; urgency=low\n\n  * Test.\n\n -- {person}  {date}\n"
        )
        run("dpkg-source", "--build", tree.name, cwd=pool)
        shutil.rmtree(tree)
        return pool / f"{package}_{version}.dsc"

    def add_binary(self, package: str, version: str, files: dict[str, str]) -> Path:
        """Add a binary package for all architectures to the archive; return its path."""
        pool = self.root / "pool"
        tree = pool / f"{package}-binary"
        for name, text in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(
            f"Package: {package}\nVersion: {version}\nArchitecture: all\n"
            "Maintainer: Tester <tester@example.org>\nDescription: a test\n"
        )
        built = pool / f"{package}_{version}_all.deb"
        run("dpkg-deb", "--build", tree.name, built.name, cwd=pool)
        shutil.rmtree(tree)
        return built

    def publish(self, suite: str = "stable") -> None:
        """Write and sign the indexes of the archive."""
        release = self.root / "dists" / suite
        scanned = {
            "main/source/Sources": run("dpkg-scansources", "pool", cwd=self.root),
            "main/binary-amd64/Packages": run("dpkg-scanpackages", "--multiversion", "pool", cwd=self.root),
        }
        date = format_datetime(datetime.now(UTC).replace(tzinfo=None)).replace("-0000", "UTC")
        text = f"Origin: Test\nSuite: {suite}\nCodename: {suite}\nDate: {date}\nComponents: main\nArchitectures: amd64 arm64\n"
        text += "SHA256:\n"
        for name, content in scanned.items():
            index = release / name
            index.parent.mkdir(parents=True, exist_ok=True)
            index.write_bytes(content)
            text += f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}\n"
        (release / "Release").write_text(text)
        self.key.gpg("--output", release / "InRelease", "--clear-sign", release / "Release")
