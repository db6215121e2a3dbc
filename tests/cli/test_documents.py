"""JSON output of commands, and its JSON Schemas."""

from __future__ import annotations

import json
import sys

import pytest
from jsonschema import Draft202012Validator

from kvmdocs.cli import documents
from kvmdocs.cli.common import DOCUMENT_NAMES

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def fine(sh: Shell) -> str:
    "Say something fine."
    with sh.section("said"):
        return sh.line("echo fine words")

@recipe()
def failing(sh: Shell, fine: str) -> None:
    sh.line("echo the last words; exit 7")

@recipe(tools=("no-such-tool",))
def wanting(sh: Shell) -> None: ...
"""


@pytest.fixture
def project(trial, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("REQUIRE", raising=False)
    made = trial().recipes(RECIPES)
    made.block("page.md", f"from {made.module} import *\nfine.show()\nfailing.show()\nwanting.show()")
    return made


@pytest.fixture
def kvmdocs(project):
    return project.kvmdocs


def strict(node):
    """A schema that lets nothing through which it does not name."""
    if isinstance(node, dict):
        deeper = {key: strict(value) for key, value in node.items()}
        return {**deeper, "additionalProperties": False} if "properties" in node else deeper
    return [strict(item) for item in node] if isinstance(node, list) else node


def test_every_document_has_a_sound_schema():
    assert tuple(documents.DOCUMENTS) == DOCUMENT_NAMES
    for name in DOCUMENT_NAMES:
        schema = json.loads(documents.schema(name))
        Draft202012Validator.check_schema(schema)
        assert schema["required"] == sorted(schema["properties"])
        assert schema["title"] in (f"kvmdocs {name} --json", "report.json of a site")


def test_what_is_printed_is_what_the_schema_says(kvmdocs, project):
    printed = {"run": kvmdocs("run", "--all", "--json")}
    printed["approve"] = kvmdocs("approve", "fine", "--json")
    project.recipes(RECIPES.replace("fine words", "finer words"))
    kvmdocs("run", "fine")
    printed |= {name: kvmdocs(name, "--json") for name in ("list", "doctor", "status", "diff")}
    printed["why"] = kvmdocs("why", "--all", "--json")
    printed["clean"] = kvmdocs("clean", "--older", "0s", "--json")
    # A site's report is no command's; tests/site/plugin/test_status_pages.py builds one.
    assert {*printed, "report"} == set(DOCUMENT_NAMES)
    assert {name: done.exit_code for name, done in printed.items()} == {
        name: {"run": 1, "diff": 4}.get(name, 0) for name in printed
    }
    for name, done in printed.items():
        schema = strict(json.loads(kvmdocs("schema", name).stdout))
        data = json.loads(done.stdout)
        assert data["schema"] == 1
        assert not [error.message for error in Draft202012Validator(schema).iter_errors(data)]
        # A document of another version is told apart.
        assert not Draft202012Validator(schema).is_valid({**data, "schema": 2})


def test_a_run_as_json_holds_the_records(kvmdocs):
    data = json.loads(kvmdocs("run", "failing", "--json").stdout)
    told = {one["recipe"]: (one["asked"], one["freshness"], one["record"]["status"]) for one in data["recipes"]}
    assert told == {"fine": (False, "ran", "passed"), "failing": (True, "ran", "failed")}
    steps = {one["recipe"]: one["record"]["steps"] for one in data["recipes"]}
    assert steps["fine"][0]["output"]["head"] == "fine words\n"
    assert steps["failing"][0]["status"] == 7


def test_what_has_no_approved_record_is_named(kvmdocs):
    kvmdocs("run", "fine")
    data = json.loads(kvmdocs("diff", "fine", "--json").stdout)
    assert data == {"schema": 1, "compared": ["fine"], "drifts": [], "unapproved": ["fine"]}


def test_what_is_approved_and_what_is_freed_is_named(kvmdocs, project):
    kvmdocs("run", "fine")
    told = json.loads(kvmdocs("approve", "fine", "--json").stdout)
    assert told == {"schema": 1, "approved": {"fine": f"{project.package}/approved/fine.json"}, "stale": []}
    assert json.loads(kvmdocs("approve", "fine", "--json").stdout)["approved"] == {"fine": None}
    project.recipes(RECIPES.replace("fine words", "finer words"))
    done = kvmdocs("approve", "fine", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"schema": 1, "approved": {}, "stale": ["fine"]})
    kvmdocs("run", "fine")
    for option in (["--dry-run"], []):
        told = json.loads(kvmdocs("clean", "--older", "0s", "--json", *option).stdout)
        assert [item["name"].rpartition("-")[0] for item in told["items"]] == ["fine"]
        assert told["dry_run"] == bool(option)
    assert json.loads(kvmdocs("clean", "--older", "0s", "--json").stdout)["items"] == []


def test_a_schema_of_nothing_is_wrong_use(kvmdocs):
    done = kvmdocs("schema", "export")
    assert done.exit_code == 2
    assert "'doctor'" in done.stderr
