"""Accounting of processors, memory, disk and named resources."""

from __future__ import annotations

import pytest

from kvmdocs import recipe
from kvmdocs.core.errors import HostLacks
from kvmdocs.execution.resources import ResourcePool
from kvmdocs.store.store import Store

GIB = 1 << 30


class Disk(Store):
    """Store on a disk with a given amount of free space."""

    def __init__(self, path, free):
        super().__init__(path)
        self._free = free

    def free(self):
        return self._free


@pytest.fixture
def pool(tmp_path):
    """Return a function that makes a pool of 4 processors, 8 GiB of memory and 10 GiB of free disk."""
    return lambda **limits: ResourcePool(4, 8 * GIB, Disk(tmp_path, 10 * GIB), **limits)


def make(name="one", **declared):
    def function(sh):
        pass

    function.__name__ = name
    return recipe(**{"memory": "1G", **declared})(function)


@pytest.mark.parametrize(("declared", "cpus"), [(1, 1), (3, 3), (16, 4), ("all", 4)])
def test_a_recipe_gets_what_it_declares_but_not_more_than_there_is(pool, declared, cpus):
    assert pool().cpus_for(make(cpus=declared)) == cpus


def test_an_empty_pool_has_room_for_every_recipe(pool):
    huge = make(cpus="all", memory="64G")
    resources = pool()
    assert resources.has_room(huge)
    resources.allocate(huge)
    assert not resources.has_room(make("other"))
    resources.release("one")
    assert resources.has_room(huge)


def test_processors_are_shared(pool):
    resources = pool()
    resources.allocate(make(cpus=3))
    assert resources.has_room(make("other", cpus=1))
    assert not resources.has_room(make("other", cpus=2))


def test_processors_may_be_overcommitted(pool):
    resources = pool(overcommit=2.0)
    resources.allocate(make(cpus="all"))
    assert resources.has_room(make("other", cpus="all"))
    resources.allocate(make("other", cpus="all"))
    assert not resources.has_room(make("third"))


def test_memory_is_shared(pool):
    resources = pool()
    resources.allocate(make(memory="5G"))
    assert resources.has_room(make("other", memory="3G"))
    assert not resources.has_room(make("other", memory="4G"))


def test_the_number_of_recipes_may_be_limited(pool):
    resources = pool(jobs=2)
    resources.allocate(make())
    assert resources.has_room(make("other"))
    resources.allocate(make("other"))
    assert not resources.has_room(make("third"))
    resources.release("one")
    assert resources.has_room(make("third"))


def test_a_named_resource_has_one_user(pool):
    resources = pool()
    resources.allocate(make(resources=("serial", "tap0")))
    assert resources.has_room(make("other", resources=("tap1",)))
    assert not resources.has_room(make("other", resources=("tap0",)))
    resources.release("one")
    assert resources.has_room(make("other", resources=("tap0",)))


def test_free_disk_is_checked(pool):
    pool().check_disk(make(disk="10G"))
    with pytest.raises(HostLacks, match=r"recipe one needs 11\.0 GiB of disk and 10\.0 GiB are free") as error:
        pool().check_disk(make(disk="11G"))
    assert "KVMDOCS_STORE_PATH" in error.value.evidence.advice
