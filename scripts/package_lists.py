"""Write the versions of the packages in `recipes/packages.toml` in suites of Debian and Ubuntu, for the table's test.

::

    .venv/bin/python scripts/package_lists.py

Reads each suite's published ``Packages`` indexes from the mirror of this host's apt and writes ``tests/package_lists.tsv``: one
line for each package, one column for each suite, ``-`` if the suite lacks the package. By default Ubuntu's archive is the one
beside Debian's (``.../ubuntu``); ``--debian`` and ``--ubuntu`` name others. The indexes' signatures are not checked, since
nothing is installed from them.
"""

from __future__ import annotations

import argparse
import lzma
import sys
import urllib.request
from pathlib import Path
from urllib.error import URLError

from kvmdocs.host.tools import Tools
from recipes.get.apt_sources import newest_first, read_entries

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "tests" / "package_lists.tsv"

SUITES = {
    "bookworm": ("debian", ("main",)),
    "trixie": ("debian", ("main",)),
    "noble": ("ubuntu", ("main", "universe")),
    "resolute": ("ubuntu", ("main", "universe")),
}
"""Suites to read: Debian 12 and 13, Ubuntu 24.04 and 26.04."""


def main(words: list[str]) -> int:
    """Read the indexes and write the file; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--debian", default=own_mirror(), help="Debian's archive (default: that of this host's apt)")
    parser.add_argument("--ubuntu", default="", help="Ubuntu's archive (default: the one beside Debian's)")
    options = parser.parse_args(words)
    if not options.debian:
        parser.error("this host's apt has no Debian archive: name one with --debian")
    mirrors = {
        "debian": options.debian,
        "ubuntu": options.ubuntu or options.debian.rstrip("/").removesuffix("debian") + "ubuntu",
    }
    wanted = {name for tool in Tools.load(ROOT / "recipes" / "packages.toml") for name in tool.apt}
    try:
        columns = {suite: read_suite(mirrors[archive], suite, parts) for suite, (archive, parts) in SUITES.items()}
    except (URLError, OSError, lzma.LZMAError) as error:
        print(
            f"package_lists: an index cannot be read: {error}; name another mirror with --debian or --ubuntu", file=sys.stderr
        )
        return 3
    lines = ["\t".join(("package", *SUITES))]
    lines += ["\t".join((name, *(columns[suite].get(name, "-") for suite in SUITES))) for name in sorted(wanted)]
    LISTS.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{LISTS.relative_to(ROOT)}: {len(wanted)} packages in {', '.join(SUITES)}")
    return 0


def own_mirror() -> str:
    """Return the Debian archive of this host's apt; "" if there is none."""
    uris = (uri for entry in read_entries(Path("/etc/apt")) for uri in entry.uris)
    return next((uri for uri in uris if uri.rstrip("/").endswith("debian")), "")


def read_suite(mirror: str, suite: str, components: tuple[str, ...]) -> dict[str, str]:
    """Return the version of each package of a suite."""
    versions: dict[str, str] = {}
    for component in components:
        address = f"{mirror.rstrip('/')}/dists/{suite}/{component}/binary-amd64/Packages.xz"
        with urllib.request.urlopen(address, timeout=60) as answer:
            for name, version in read_index(lzma.decompress(answer.read()).decode("utf-8", "replace")):
                versions[name] = newest_first([version, versions.get(name, version)])[0]
    return versions


def read_index(text: str) -> list[tuple[str, str]]:
    """Return name and version of each package of an index (deb-control(5))."""
    blocks = (
        dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != " ")
        for block in text.split("\n\n")
    )
    return [(block["Package"], block["Version"]) for block in blocks if "Package" in block and "Version" in block]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
