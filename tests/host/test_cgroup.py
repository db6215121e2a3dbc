"""Limits of control groups, read from a tree like the one below /sys/fs/cgroup."""

from __future__ import annotations

import pytest

from kvmdocs.host import cgroup


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A function that makes the tree, and puts this process into a group of it."""

    def made(groups: str, files: dict[str, str]) -> None:
        (tmp_path / "self").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")

    monkeypatch.setattr(cgroup, "MOUNT", tmp_path / "cgroup")
    monkeypatch.setattr(cgroup, "SELF", tmp_path / "self")
    return made


def test_without_control_groups_there_is_no_limit(tree):
    assert (cgroup.cpus(), cgroup.memory()) == (None, None)
    tree("0::/\n", {"cgroup.procs": "1"})
    assert (cgroup.cpus(), cgroup.memory()) == (None, None)


def test_no_limit_is_called_max(tree):
    tree("0::/a\n", {"a/cpu.max": "max 100000", "a/memory.max": "max", "a/memory.current": "5"})
    assert (cgroup.cpus(), cgroup.memory()) == (None, None)


@pytest.mark.parametrize(
    ("quota", "cpus"), [("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("50000 20000", 3)]
)
def test_processors(tree, quota, cpus):
    tree("0::/a\n", {"a/cpu.max": quota})
    assert cgroup.cpus() == cpus


def test_memory_is_what_the_limit_leaves(tree):
    tree("0::/a\n", {"a/memory.max": "1000", "a/memory.current": "700"})
    assert cgroup.memory() == 300


def test_memory_of_the_page_cache_is_free(tree):
    stat = "anon 100\nfile 600\nshmem 50\ninactive_file 400\nactive_file 150"
    tree("0::/a\n", {"a/memory.max": "1000", "a/memory.current": "700", "a/memory.stat": stat})
    assert cgroup.memory() == 850


def test_memory_is_never_negative(tree):
    tree("0::/a\n", {"a/memory.max": "1000", "a/memory.current": "1200"})
    assert cgroup.memory() == 0


def test_the_tightest_limit_of_all_parents_counts(tree):
    tree(
        "0::/a/b/c\n",
        {
            "memory.max": "5000",
            "a/memory.max": "1000",
            "a/memory.current": "900",
            "a/b/memory.max": "max",
            "a/b/c/memory.max": "400",
            "a/cpu.max": "max 100000",
            "a/b/cpu.max": "100000 100000",
            "a/b/c/cpu.max": "800000 100000",
            "other/memory.max": "1",
        },
    )
    assert cgroup.memory() == 100
    assert cgroup.cpus() == 1


@pytest.mark.parametrize("path", ["/docker/0123", "/../outside", "/"])
def test_a_container_that_sees_only_its_own_group(tree, path):
    """Without a namespace of its own, the path is the host's and is not below the mount."""
    tree(f"0::{path}\n", {"memory.max": "1000", "cpu.max": "100000 100000"})
    assert (cgroup.cpus(), cgroup.memory()) == (1, 1000)


def test_version_1(tree):
    tree(
        "9:name=systemd:/\n4:memory:/a\n2:cpu,cpuacct:/a\n",
        {
            "memory/a/memory.limit_in_bytes": "1000",
            "memory/a/memory.usage_in_bytes": "500",
            "memory/a/memory.stat": "cache 300\ninactive_file 9\ntotal_inactive_file 200\ntotal_active_file 50",
            "cpu/a/cpu.cfs_quota_us": "300000",
            "cpu/a/cpu.cfs_period_us": "100000",
            "cpu/cpu.cfs_quota_us": "-1",
            "cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert (cgroup.cpus(), cgroup.memory()) == (3, 750)


@pytest.mark.parametrize("text", ["", "nonsense", "max", "0 0", "x y", "100000 0"])
def test_what_cannot_be_read_is_no_limit(tree, text):
    tree("nonsense\n0::/a\n", {"a/cpu.max": text, "a/memory.max": text if text != "max" else ""})
    assert (cgroup.cpus(), cgroup.memory()) == (None, None)
