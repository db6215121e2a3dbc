"""Accounting of the host's resources among the recipes that run at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from kvmdocs.core.errors import Evidence, HostLacks
from kvmdocs.execution.project import Project
from kvmdocs.host import facts
from kvmdocs.recording.recipe import CPUS_ALL, Recipe
from kvmdocs.store.store import Store


@dataclass(frozen=True)
class Allocation:
    """Resources that one running recipe uses.

    Attributes:
        cpus: Number of processors.
        memory: Memory in bytes.
        named: Named resources, for example a port (`Recipe.resources`).
    """

    cpus: int
    memory: int
    named: frozenset[str]


class ResourcePool:
    """Processors, memory, disk and named resources of the host, less what running recipes use.

    An empty pool has room for every recipe, whatever the recipe declares: it then runs alone.

    Args:
        cpus: Number of processors.
        memory: Memory in bytes.
        store: Store on whose disk recipes write.
        overcommit: Factor by which the processors of running recipes may together exceed `cpus`.
        jobs: Largest number of running recipes; 0 for no limit.
    """

    def __init__(self, cpus: int, memory: int, store: Store, *, overcommit: float = 1.0, jobs: int = 0) -> None:
        self._cpus = cpus
        self._memory = memory
        self._store = store
        self._max_cpus = cpus * overcommit
        self._jobs = jobs
        self._allocations: dict[str, Allocation] = {}

    @classmethod
    def of_host(cls, project: Project) -> Self:
        """Return the pool of this host, within the project's settings ``limits.*``."""
        settings = project.settings
        return cls(
            facts.cpus(settings),
            facts.memory(settings),
            project.store,
            overcommit=float(settings["limits.overcommit"]),
            jobs=int(settings["limits.jobs"]),
        )

    def cpus_for(self, recipe: Recipe) -> int:
        """Return the number of processors that a recipe gets: what it declares, but not more than there are."""
        return self._cpus if recipe.cpus == CPUS_ALL else min(recipe.cpus, self._cpus)

    def has_room(self, recipe: Recipe) -> bool:
        """Check whether a recipe can start beside those that run."""
        running = self._allocations.values()
        if not running:
            return True
        return (
            not (self._jobs and len(running) >= self._jobs)
            and sum(used.cpus for used in running) + self.cpus_for(recipe) <= self._max_cpus
            and sum(used.memory for used in running) + recipe.memory <= self._memory
            and not any(used.named & set(recipe.resources) for used in running)
        )

    def check_disk(self, recipe: Recipe) -> None:
        """Check the free disk space that a recipe needs before it starts.

        Raises:
            HostLacks: There is not enough.
        """
        free = self._store.free()
        if free < recipe.disk:
            raise HostLacks(
                f"recipe {recipe.name} needs {recipe.disk / 2**30:.1f} GiB of disk and {free / 2**30:.1f} GiB are free "
                f"where the store lies ({self._store.path})",
                Evidence(recipe=recipe.name, advice="free space there or set KVMDOCS_STORE_PATH to a larger disk"),
            )

    def allocate(self, recipe: Recipe) -> None:
        """Reserve what a recipe declares until `release`."""
        memory = min(recipe.memory, self._memory)
        self._allocations[recipe.name] = Allocation(self.cpus_for(recipe), memory, frozenset(recipe.resources))

    def release(self, name: str) -> None:
        """Return the resources of a recipe that has ended."""
        del self._allocations[name]
