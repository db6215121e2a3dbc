"""The CI pipelines: they are valid, and use commands that the documents name."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml

from tests.support import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
GITLAB = ROOT / ".gitlab-ci.yml"


def check(schema, *paths):
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "paths"), [("vendor.github-workflows", WORKFLOWS), ("vendor.gitlab-ci", [GITLAB])], ids=["GitHub", "GitLab"]
)
def test_pipelines_are_of_the_form_their_host_wants(schema, paths, tmp_path):
    assert paths
    status, told = check(schema, *paths)
    assert status == 0, told
    # The check itself can fail.
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        paths[0].read_text("utf-8").replace("timeout-minutes: ", "timeout-minutes: x").replace("stage: ", "stage: 1 #")
    )
    assert check(schema, wrong)[0] == 1


def commands(node):
    """Yield every command of a pipeline."""
    if isinstance(node, list):
        for entry in node:
            yield from commands(entry)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "run" and isinstance(value, str):
                yield from value.splitlines()
            elif name in ("script", "before_script"):
                yield from value
            else:
                yield from commands(value)


def targets():
    return set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", [*WORKFLOWS, GITLAB], ids=lambda path: path.name)
def test_every_command_is_one_that_the_documents_name(path):
    told = (ROOT / "README.md").read_text("utf-8") + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    found = list(commands(yaml.safe_load(path.read_text("utf-8"))))
    assert found or path.name == "pages.yml"
    for command in found:
        words = command.split()
        if words[0] == "make":
            known = targets() | {"${{", "$GENERATOR"}
            assert words[1] in known, command
        else:
            assert command in told, command


def test_what_a_matrix_makes_are_targets_too():
    generators = [
        yaml.safe_load((ROOT / ".github/workflows/check.yml").read_text("utf-8"))["jobs"]["generators"]["strategy"]["matrix"][
            "generator"
        ],
        yaml.safe_load(GITLAB.read_text("utf-8"))["generators"]["parallel"]["matrix"][0]["GENERATOR"],
    ]
    assert generators[0] == generators[1]
    assert set(generators[0]) <= targets()


def test_the_hooks_before_a_commit_are_make_lint():
    hooks = [
        hook
        for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
        for hook in repo["hooks"]
    ]
    assert [hook["entry"] for hook in hooks] == ["make lint"]


def test_the_pipelines_of_both_hosts_do_the_same():
    github = {line for path in WORKFLOWS for line in commands(yaml.safe_load(path.read_text("utf-8"))) if "kvmdocs" in line}
    gitlab = {line for line in commands(yaml.safe_load(GITLAB.read_text("utf-8"))) if "kvmdocs" in line}
    assert github == gitlab
