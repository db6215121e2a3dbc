"""The key: what changes it, and what does not."""

from __future__ import annotations

import pytest

from kvmdocs.catalog.key.cache_key import KeyInputs, key
from kvmdocs.core.model import SCHEMA

PARTS = {
    "code": "c",
    "settings": {"qemu.version": "9.2.0", "lab.size": 3},
    "inputs": {"first": "r1"},
    "tools": {"gcc": "12.2"},
    "facts": {"machine": "x86_64"},
    "environ": {"CFLAGS": "-O2", "UNSET": None},
}


def made(name: str = "sample", **changed) -> str:
    return key(KeyInputs(name, **{**PARTS, **changed}))


def test_the_key_is_what_it_was():
    # A change here makes every record of every store stale: raise SCHEMA and say so in the changelog.
    assert made() == "e691e2f45fe88b29687106b709af9a886395c9f74d5708fe7f036963c9d4348f"


@pytest.mark.parametrize(
    "changed",
    [
        {"code": "d"},
        {"settings": {"qemu.version": "9.2.1", "lab.size": 3}},
        {"settings": {"qemu.version": "9.2.0", "lab.size": "3"}},
        {"settings": {"qemu.version": "9.2.0"}},
        {"inputs": {"first": "r2"}},
        {"inputs": {}},
        {"tools": {"gcc": "12.3"}},
        {"facts": {"machine": "aarch64"}},
        {"environ": {"CFLAGS": "-O3", "UNSET": None}},
        {"environ": {"CFLAGS": "-O2", "UNSET": ""}},
        {"data": {"boot.S": "d1"}},
        {"schema": SCHEMA + 1},
    ],
)
def test_each_part_alone_changes_the_key(changed):
    assert made(**changed) != made()


def test_the_order_of_what_is_given_does_not_count():
    turned = {name: dict(reversed(part.items())) if isinstance(part, dict) else part for name, part in PARTS.items()}
    assert made(**turned) == made()


def test_the_name_counts_and_the_working_directory_does_not(tmp_path, monkeypatch):
    before = made()
    assert made("other") != before
    monkeypatch.chdir(tmp_path)
    assert made() == before
