"""Commands about records: verify."""

from __future__ import annotations

import pytest

RECIPES = """
@recipe()
def made(sh: Shell) -> Path:
    return sh.write("value", "good")

@recipe()
def bare(sh: Shell) -> None: ...
"""


@pytest.mark.process
def test_verify_says_what_was_changed_and_has_it_made_again(trial):
    made = trial()
    made.recipes(RECIPES)
    record = made.run("made", "bare").records["made"]
    sound = made.kvmdocs("verify")
    assert (sound.exit_code, sound.stdout) == (0, "1 records with files, 0 of them damaged\n")
    (made.root / "store/v1/work" / record.value["$path"]).write_text("gxod")
    damaged = made.kvmdocs("verify", "made")
    assert damaged.exit_code == 1
    assert damaged.stdout == f"made: {record.value['$path']} was changed or is gone\n1 records with files, 1 of them damaged\n"
    assert made.run("made").freshness["made"] == "ran"
    assert made.kvmdocs("verify").exit_code == 0


def test_verify_of_a_recipe_that_is_not_there_is_wrong_use(trial):
    made = trial()
    made.recipes(RECIPES)
    assert made.kvmdocs("verify", "nothing").exit_code == 2
