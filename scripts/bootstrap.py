"""Make the project's environment, ``.venv``, from the hash-locked ``requirements.txt``: whole or not at all.

``make`` runs this first, with the host's own Python and nothing else installed, so it uses the standard library alone, and of
that only what Debian's python3-minimal has. It is silent when the environment is as it should be.

An environment counts as done when the last line of its stamp, ``.venv/kvmdocs-stamp``, says what it was made from: the
lock file, the Python, the place. The stamp says ``making`` while work goes on, so an interrupted creation begins anew, and a
``.venv`` without a stamp is somebody's own and is not touched. A lock keeps two at once apart.

Exit codes: 0 done, 2 a ``.venv`` that is not ours, 3 the host lacks something, 130 interrupted.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import TextIO

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "kvmdocs-stamp")
LOCK = os.path.join(ROOT, ".venv.lock")
REQUIREMENTS = os.path.join(ROOT, "requirements.txt")

OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
"""Where to look for another Python when the one we run on is too old."""

FIRST = ("setuptools", "wheel", "uv")
"""What must be there before the rest is installed. jieba comes as source, and no build may fetch what the lock does not name; uv installs the rest, in a
third of the time that pip takes."""

AS_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
"""What pip calls the places that packages come from, and the environment variables in which uv looks for them; it does not read pip's configuration."""

WRONG, LACKS, INTERRUPTED = 2, 3, 130


class Stopped(Exception):
    """The environment cannot be made.

    Args:
        code: The exit code.
        message: What is wrong and what to type.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Way:
    """One way to make an environment.

    Args:
        name: What it is called in messages.
        create: The command that makes an empty environment.
        install: The command that installs packages into it, arguments to follow.
    """

    def __init__(self, name: str, create: list[str], install: list[str]) -> None:
        self.name = name
        self.create = create
        self.install = install


def main() -> int:
    """Make the environment if it is not there as it should be; returns the exit code."""
    try:
        base = use_fitting_python()
        if read_stamp() != identity(base):
            with open_lock() as lock:
                make(base, lock.fileno())
    except Stopped as error:
        print(f"environment: {error}", file=sys.stderr)
        return error.code
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"environment: {error}", file=sys.stderr)
        return LACKS
    except KeyboardInterrupt:
        print("environment: interrupted; the next `make` begins it anew", file=sys.stderr)
        return INTERRUPTED
    return 0


def use_fitting_python() -> str:
    """The Python to make the environment from; goes on as another one if this one will not do.

    Inside an active environment that is the Python which that environment was made from.
    """
    if sys.version_info < OLDEST:
        for name in NEWER:
            found = which(name)
            if found:
                os.execv(found, [found, os.path.abspath(__file__)])
        have = ".".join(map(str, sys.version_info[:3]))
        raise Stopped(LACKS, f"Python 3.11 or newer is needed, {sys.executable} is {have}; make PYTHON=… names another")
    if sys.prefix != sys.base_prefix:
        inner = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        os.execv(inner, [inner, os.path.abspath(__file__)])
    return os.path.realpath(sys.executable)


def identity(base: str) -> str:
    """What an environment is made from, in a line: the lock file, the Python, the place; then the project's metadata."""
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{digest(REQUIREMENTS)} {version} {base} {VENV}\n{digest(os.path.join(ROOT, 'pyproject.toml'))}"


def digest(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def read_stamp() -> str | None:
    """What the environment's stamp says; "" if it has lost its Python; None if it has no stamp."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            stamp = file.read()
    except FileNotFoundError:
        return None
    return stamp if os.path.exists(os.path.join(VENV, "bin", "python")) else ""


def write_stamp(text: str) -> None:
    """Put a stamp in place of the old one, whole."""
    fresh = STAMP + ".new"
    with open(fresh, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, STAMP)


def open_lock() -> TextIO:
    """Take the lock, waiting for whoever has it; it is free again when its holder and all that one started are gone."""
    lock = open(LOCK, "w", encoding="ascii")  # noqa: SIM115  # the caller closes it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("environment: another make is at it; waiting", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def make(base: str, lock: int) -> None:
    """Bring the environment to what it should be, under the lock."""
    began = time.monotonic()
    wanted = identity(base)
    stamp = read_stamp()
    if stamp == wanted:
        return
    # Killed while it wrote its first stamp, this script leaves the new one, and nothing else.
    if stamp is None and os.path.isdir(VENV) and set(os.listdir(VENV)) - {os.path.basename(STAMP) + ".new"}:
        raise Stopped(WRONG, f"{VENV} was not made by this project; move it away or remove it")
    way = None
    if stamp is None or stamp.partition("\n")[0] != wanted.partition("\n")[0]:
        print(
            f"environment: making .venv with Python {wanted.split()[1]} from requirements.txt "
            f"({count()} packages, about 400 MB, half a minute or a minute)",
            flush=True,
        )
        way = create(base, lock)
        with open(os.path.join(VENV, "kvmdocs-first.txt"), "w", encoding="utf-8") as file:
            file.write(blocks(FIRST))
        install(way, lock, "--require-hashes", "--no-deps", "-r", file.name)
        rest = ("--require-hashes", "--no-deps", "--no-build-isolation", "-r", REQUIREMENTS)
        if not install_with_uv(lock, *rest):
            install(way, lock, *rest)
    else:
        # Only pyproject.toml changed: what is installed stays, the project's entry points are written again.
        way = next((way for way in ways(base) if installs(way)), None)
        if way is None:
            raise Stopped(LACKS, "nothing to install with; `make clean` and begin anew")
        write_stamp("making")
    install(way, lock, "--no-deps", "--no-build-isolation", "--editable", ROOT)
    # What is installed was compiled by its installer. Where Python may write no bytecode (PYTHONDONTWRITEBYTECODE), the engine would be compiled
    # anew by each process that imports it, which takes longer than all that most of them do.
    command([os.path.join(VENV, "bin", "python"), "-m", "compileall", "-q", os.path.join(ROOT, "kvmdocs")], lock)
    write_stamp(wanted)
    print(f"environment: .venv is ready ({time.monotonic() - began:.0f} s)", flush=True)


def count() -> int:
    """Packages in the lock file."""
    with open(REQUIREMENTS, encoding="utf-8") as file:
        return sum("==" in line and not line.startswith((" ", "#")) for line in file)


def blocks(names: tuple[str, ...]) -> str:
    """The lock file's lines on these packages, hashes included."""
    taken, lines = False, []
    with open(REQUIREMENTS, encoding="utf-8") as file:
        for line in file:
            if not line.startswith((" ", "#")):
                taken = line.partition("==")[0] in names
            if taken:
                lines.append(line)
    return "".join(lines)


def ways(base: str) -> list[Way]:
    """The ways to make an environment that this host has, best first."""
    inner = os.path.join(VENV, "bin", "python")
    found = []
    if runs(base, "-c", "import ensurepip, venv"):
        found.append(Way("venv", [base, "-m", "venv", VENV], [inner, "-m", "pip", "install", "--use-pep517"]))
    uv = which("uv")
    if uv:
        create = [uv, "venv", "--quiet", "--allow-existing", "--python", base, VENV]
        found.append(Way("uv", create, [uv, "pip", "install", "--python", inner, "--compile-bytecode"]))
    for command in ([which("virtualenv") or ""], [base, "-m", "virtualenv"]):
        if command[0] and runs(*command, "--version"):
            create = [*command, "--quiet", "--python", base, VENV]
            found.append(Way("virtualenv", create, [inner, "-m", "pip", "install", "--use-pep517"]))
            break
    if runs(base, "-c", "import venv") and runs(base, "-m", "pip", "--python", base, "--version"):
        create = [base, "-m", "venv", "--without-pip", VENV]
        found.append(Way("pip", create, [base, "-m", "pip", "--python", inner, "install", "--use-pep517"]))
    return found


def which(name: str) -> str | None:
    """The program of a name on PATH."""
    paths = (os.path.join(folder, name) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep))
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def runs(*command: str) -> bool:
    """Whether a command ends with status 0."""
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def installs(way: Way) -> bool:
    """Whether a way's installer works on the environment as it is."""
    return runs(*way.install, "--help")


def create(base: str, lock: int) -> Way:
    """Make an empty environment in the first way that works, the distribution's package for it installed if there is none.

    Raises:
        Stopped: There is no way.
    """
    tried = []
    for attempt in range(2):
        for way in ways(base):
            clear()
            done = command(way.create, lock)
            if done.returncode == 0 and installs(way):
                return way
            tried.append(f"{way.name}: {done.stdout.strip() or done.returncode}")
        if attempt == 0 and not install_venv(base):
            break
    raise Stopped(LACKS, "\n  ".join(["no way to make an environment works on this host", *tried]))


def clear() -> None:
    """Empty ``.venv``, but for its stamp, which from now on says that work goes on.

    Its entries go, not the folder: that may be a link to another disk.
    """
    os.makedirs(VENV, exist_ok=True)
    write_stamp("making")
    old = [os.path.join(VENV, name) for name in os.listdir(VENV) if name != os.path.basename(STAMP)]
    if old:
        subprocess.run(["rm", "-rf", "--", *old], check=True)


def install(way: Way, lock: int, *arguments: str) -> None:
    """Install into the environment.

    Raises:
        Stopped: It did not work; the message has what the installer said last.
    """
    done = command([*way.install, "--quiet", *arguments], lock)
    if done.returncode:
        said = "\n  ".join(done.stdout.strip().splitlines()[-20:])
        raise Stopped(LACKS, f"not made: `{' '.join(done.args)}` ended with status {done.returncode}:\n  {said}")


def install_with_uv(lock: int, *arguments: str) -> bool:
    """Install with the environment's own uv, from where pip would take packages; False if that did not work, and pip may."""
    uv, inner = (os.path.join(VENV, "bin", name) for name in ("uv", "python"))
    if not os.path.exists(uv):
        return False
    told = pip_settings(inner)
    places = {name: told[key].replace("\\n", " ").strip() for key, name in AS_UV.items() if key in told}
    if "UV_FIND_LINKS" in places:
        places["UV_FIND_LINKS"] = ",".join(places["UV_FIND_LINKS"].split())
    alone = ["--no-index"] if told.get("no-index", "").lower() in ("1", "true", "yes", "on") else []
    # To pip all places are equal. So they may be to uv: what is not the file of the lock's hash is refused.
    equal = ["--index-strategy", "unsafe-best-match"]
    quickly = [uv, "pip", "install", "--quiet", "--python", inner, "--compile-bytecode", *equal, *alone, *arguments]
    return command(quickly, lock, {**places, **os.environ}).returncode == 0


def pip_settings(inner: str) -> dict[str, str]:
    """What pip is told by its files and its environment, by the option's name; the environment wins, as with pip."""
    done = subprocess.run([inner, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True, check=False)
    # pip lists by name, the environment (:env:) first.
    pairs = sorted((line.partition("=") for line in done.stdout.splitlines()), key=lambda pair: pair[0].startswith(":env:"))
    return {name.rpartition(".")[2]: value.strip("'\"") for name, _, value in pairs}


def command(arguments: list[str], lock: int, environ: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    """Run a command that holds the lock as long as it lives, even when we do not."""
    # What a user sets for pip elsewhere (installing into the home folder, refusing what has no hash) has no place here.
    environ = {name: value for name, value in environ.items() if name not in ("PIP_USER", "PIP_REQUIRE_HASHES", "PIP_TARGET")}
    environ.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_ROOT_USER_ACTION="ignore", PIP_USER="0")
    return subprocess.run(
        arguments,
        env=environ,
        pass_fds=[lock],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def install_venv(base: str) -> bool:
    """Install the package that lets this Python make environments, after naming it and asking.

    Returns:
        False when this distribution has no package for it that we know.

    Raises:
        Stopped: It could not be installed; the message has the command to type.
    """
    own = os.path.realpath("/usr/bin/python3") == base
    package = "python3-venv" if own else f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    commands = {
        "apt-get": f"apt-get update && apt-get install --no-install-recommends -y {package}",
        "dnf": "dnf install -y python3-pip",
        "pacman": "pacman -S --needed python-pip",
    }
    manager = next((name for name in commands if which(name)), None)
    if manager is None or not base.startswith("/usr/bin/"):
        return False
    typed = as_root(commands[manager])
    lacking = f"this Python cannot make one without {package if manager == 'apt-get' else 'pip'}"
    if manager != "apt-get" or not has_rights():
        raise Stopped(LACKS, f"{lacking}; type this, then make again:\n  {typed}")
    print(f"environment: {lacking}; it comes with\n  {typed}", flush=True)
    if not agreed():
        raise Stopped(LACKS, "not installed; type the line above yourself, then make again")
    root = [] if os.geteuid() == 0 else ["sudo"]
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"]
    # Only what apt complains of is of interest; and an index that cannot be fetched may not matter.
    subprocess.run([*apt, "update"], stdout=subprocess.DEVNULL, check=False)
    install = [*apt, "install", "-y", "--no-install-recommends", package]
    done = subprocess.run(install, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Stopped(LACKS, f"apt-get ended with status {done.returncode}; when it works again, make again:\n  {typed}")
    return True


def as_root(line: str) -> str:
    """A line as this user types it to have it run as root."""
    if os.geteuid() == 0:
        return line
    if which("sudo"):
        return line.replace("apt-get", "sudo apt-get") if "apt-get" in line else f"sudo {line}"
    return f"su -c '{line}'"


def has_rights() -> bool:
    """Whether packages can be installed: as root, or with a sudo that asks nothing or can ask somebody."""
    if os.geteuid() == 0:
        return True
    return which("sudo") is not None and (terminal() or runs("sudo", "-n", "true"))


def agreed() -> bool:
    """Ask on a terminal; ``YES=1`` and a run without a terminal go ahead."""
    if os.environ.get("YES", "").lower() in ("1", "y", "yes", "true") or not terminal():
        return True
    try:
        return input("install it? [Y/n] ").strip().lower() in ("", "y", "yes")
    except EOFError:
        return False


def terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


if __name__ == "__main__":
    sys.exit(main())
