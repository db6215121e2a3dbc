"""The scripts of this project's own recipes: shellcheck accepts them, and those of the lab reproduce their records."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from kvmdocs.core import graph
from kvmdocs.core.paths import KEY_LENGTH, PathDisplay
from kvmdocs.execution import modes
from kvmdocs.execution.project import FIXED, Project
from kvmdocs.script.assemble import script
from kvmdocs.script.guides import for_guide, for_recipes
from kvmdocs.store.normalise import normalise
from tests.support import ROOT

BLOCK = re.compile(r"^if due (\w+) (?:shown|input) .*?^fi$", re.MULTILINE | re.DOTALL)
ENOUGH = 0.9
"""Share of a record's steps that a script must reproduce as well; for a step, at least half of the lines that are the same on
every run. On a busy host some lines differ: a guest's messages change their order, and a stopped process may be anywhere.
"""


@pytest.fixture(scope="module")
def project():
    return Project(ROOT)


@pytest.fixture(scope="module")
def everything(project):
    """Return one script of all recipes that have a record."""
    names = [name for name in project.catalog.entries if modes.newest(project, name)]
    plan = graph.closure(names, lambda name: [item.name for item in project.catalog.get(name).recipe.inputs])
    records = [record for name in graph.topological_order(plan) if (record := modes.newest(project, name))]
    return script(records, FIXED, shown=names)


def test_shellcheck_finds_nothing_in_any_recipe(everything, tmp_path):
    path = tmp_path / "everything.sh"
    path.write_text(everything, "utf-8")
    done = subprocess.run(
        [Path(sys.executable).parent / "shellcheck", path], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_a_page_s_script_is_made_of_that(project, everything):
    """Each recipe and each function in it is one that shellcheck has checked."""

    def blocks(text):
        return {found[1]: found[0].split("\n", 1)[1] for found in BLOCK.finditer(text)}

    known = blocks(everything)
    guides = {request.block.guide for request in project.catalog.requests}
    scripts = [text for guide in sorted(guides) if (text := for_guide(project, guide, partial(modes.newest, project)))]
    assert len(scripts) > 20
    for text in scripts:
        of_page = blocks(text)
        assert of_page
        assert of_page == {name: known[name] for name in of_page}
        head = BLOCK.sub("", text)
        for part in head[head.index("set -o pipefail") :].split("\n\n"):
            assert part.strip() in everything


WRAPPED = re.compile(r"\n +(?=at \S|\w+=)")
"""Matches where gdb continues a frame on a new line. With ``-batch``, which a script uses if a session had no error, gdb does
not wrap."""
TO_A_TYPIST = re.compile(r"^(?:Will (?:ignore|stop) next |Delete all breakpoints\?)")
"""Matches gdb's messages to an interactive user, which a script does not get."""


def lines(text, names):
    """Return lines with stable names and without numbers and gaps, so that they are equal on every run and in batch mode."""
    whole = WRAPPED.sub(" ", names.readable(text))
    return [re.sub(r"\d+", "0", "".join(normalise(line).split())) for line in whole.splitlines() if not TO_A_TYPIST.match(line)]


def pretty(text):
    """Return a script's output with a monitor's answers formatted as in a record."""
    return re.sub(r"^<- (.*)$", lambda found: json.dumps(json.loads(found[1]), indent=2), text, flags=re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("start_vm", [r"^written in the guest$", r'^<- \{"return": \{"status": "running"', r"dev: virtio-blk-pci, id \"\""]),
        ("step_virtqueue_flush", [r"hit Breakpoint 1, virtqueue_flush", r"^#\d+ .*virtio_blk_req_complete", r"virtio0-req"]),
        ("load_kvm_modules", [r"Unknown symbol", r"can't unload", r"kvm_page_fault", r"Nested Paging disabled"]),
        ("debug_kvm", [r"^Breakpoint 1, .*kvm_arch_vcpu_ioctl_run", r"= 0x7b$", r"^!BCDEFGHIJKLMNOPQRSTUVWXYZ$"]),
    ],
)
def test_a_script_of_the_lab_gives_what_its_record_has(project, tmp_path, recipe, says):
    record, approved = project.store.latest(recipe), project.approved.get(recipe)
    if record is None or approved is None:
        pytest.skip(f"{recipe} has not run here")
    home = tmp_path / "home"
    (home / "kvm-lab").mkdir(parents=True)
    plan = graph.closure([recipe], lambda name: [item.name for item in project.catalog.get(name).recipe.inputs])
    for name in plan.keys() - {recipe}:
        known = project.store.latest(name)
        folder = project.store.work / f"{name}-{known.key[:KEY_LENGTH]}" if known else None
        if folder and folder.is_dir():
            (home / "kvm-lab" / name).symlink_to(folder)
        elif known:
            pytest.skip(f"what {name} left is not in the store any more")
    path = home / "script.sh"
    path.write_text(for_recipes(project, [recipe], partial(modes.newest, project)) or "", "utf-8")
    done = subprocess.run(
        ["bash", path, "--have", "all"],
        cwd=home,
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    for pattern in says:
        assert re.search(pattern, done.stdout, re.MULTILINE), (pattern, done.stdout[-3000:])
    names = PathDisplay(project.store.work, masks={str(home): "~"})
    told = set(lines(pretty(done.stdout), names))
    always = {line for step in approved.steps for line in lines(step.output.text, names)} - {""}
    wanted = [said for step in record.steps if (said := always & set(lines(step.output.text, names)))]
    untold = [said - told for said in wanted if len(said - told) > len(said) / 2]
    assert len(untold) <= (1 - ENOUGH) * len(wanted), untold
