"""Settings: defaults, the file, the environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.core.default_settings import DEFAULTS
from kvmdocs.core.errors import SettingError
from kvmdocs.core.settings import Settings, find_root, variable
from kvmdocs.execution.run_dirs import MARK
from kvmdocs.site.publisher import LANGUAGE


@pytest.fixture
def load(tmp_path):
    def loaded(text: str = "", **environ: str) -> Settings:
        (tmp_path / "kvmdocs.toml").write_text(text, "utf-8")
        return Settings.load(tmp_path, environ)

    return loaded


def test_a_project_without_a_file_has_the_defaults(tmp_path):
    assert Settings.load(tmp_path, {}).values == DEFAULTS


def test_the_file_comes_before_the_defaults_and_the_environment_before_the_file(load):
    text = '[limits]\ncpus = 3\n[qemu]\nversion = "9.2.0"\n[qemu.mirror]\nurl = "http://a/"\n'
    assert load(text)["limits.cpus"] == 3
    assert load(text)["qemu.mirror.url"] == "http://a/"
    assert load(text, KVMDOCS_LIMITS_CPUS="5")["limits.cpus"] == 5
    assert load(text, KVMDOCS_QEMU_VERSION="10.0.0")["qemu.version"] == "10.0.0"
    assert load(text, KVMDOCS_QEMU_MIRROR_URL="")["qemu.mirror.url"] == ""


@pytest.mark.parametrize(
    ("file", "told", "value"),
    [
        ("n = 1", "7", 7),
        ("n = 1.5", "7", 7.0),
        ("n = true", "no", False),
        ("n = false", "Yes", True),
        ('n = ["a"]', "b  c", ["b", "c"]),
        ('n = ["a"]', "", []),
        ('n = "a"', "b c", "b c"),
    ],
)
def test_a_value_from_the_environment_has_the_type_of_the_setting(load, file, told, value):
    found = load(f"[trial]\n{file}\n", KVMDOCS_TRIAL_N=told)["trial.n"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("file", "told"), [("n = 1", "one"), ("n = 1.5", ""), ("n = true", "maybe"), ("n = 1", "1.5")])
def test_a_value_of_another_type_is_refused_by_the_variables_name(load, file, told):
    with pytest.raises(SettingError, match="KVMDOCS_TRIAL_N") as raised:
        load(f"[trial]\n{file}\n", KVMDOCS_TRIAL_N=told)
    assert "KVMDOCS_TRIAL_N" in raised.value.evidence.advice


@pytest.mark.parametrize(
    "text",
    [
        '[limits]\ncpus = "many"',
        "[limits]\ncpus = true",
        '[network]\nconnect = "soon"',
        '[project]\ndocs = "docs"',
        "[store]\npath = 3",
        "limits = 3",
        "[trial]\nday = 2026-01-02",
    ],
)
def test_a_value_in_the_file_that_cannot_be_is_refused_by_its_name(load, text):
    with pytest.raises(SettingError) as raised:
        load(text)
    assert raised.value.evidence.place.path == "kvmdocs.toml"


def test_the_file_is_to_blame_for_what_it_says_whatever_the_environment_says(load, monkeypatch):
    monkeypatch.setenv("KVMDOCS_STORE_PATH", "elsewhere")
    with pytest.raises(SettingError) as raised:
        load("[store]\npath = 3", KVMDOCS_STORE_PATH="elsewhere")
    assert (raised.value.evidence.place.path, raised.value.evidence.place.line) == ("kvmdocs.toml", 2)


@pytest.mark.parametrize("name", [name for name, value in DEFAULTS.items() if type(value) in (int, float)])
def test_a_number_of_the_engines_is_not_negative(load, name):
    table, key = name.split(".")
    with pytest.raises(SettingError, match=name) as raised:
        load(f"[{table}]\n{key} = -1\n")
    assert (raised.value.evidence.place.line, "0 or more" in raised.value.evidence.advice) == (2, True)
    with pytest.raises(SettingError, match=f"{variable(name)}='-1'") as raised:
        load(**{variable(name): "-1"})
    assert "0 or more" in raised.value.evidence.advice


def test_a_number_of_the_engines_is_a_number(load):
    with pytest.raises(SettingError, match="KVMDOCS_NETWORK_CONNECT"):
        load(KVMDOCS_NETWORK_CONNECT="nan")
    with pytest.raises(SettingError, match=r"limits\.overcommit"):
        load("[limits]\novercommit = nan\n")


def test_a_number_of_a_projects_own_may_be_negative(load):
    assert load("[trial]\noffset = -1\n", KVMDOCS_TRIAL_OFFSET="-2")["trial.offset"] == -2


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("KVMDOCS_STORE_PAHT", "KVMDOCS_STORE_PATH"),
        ("KVMDOCS_LIMIT_CPUS", "KVMDOCS_LIMITS_CPUS"),
        ("KVMDOCS_QEMU_VERSON", "KVMDOCS_QEMU_VERSION"),
        ("KVMDOCS_LANGUAG", "KVMDOCS_LANGUAGE"),
        ("KVMDOCS_SITE_URL", "KVMDOCS_SITE_"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(load, given, near):
    with pytest.raises(SettingError, match=f"{given} names no setting") as raised:
        load('[qemu]\nversion = "1"\n', **{given: "x"})
    assert f"did you mean {near}" in raised.value.evidence.advice


@pytest.mark.parametrize("given", ["KVMDOCS_ZZZZZZZZ", "KVMDOCS_"])
def test_a_variable_that_is_like_no_setting_is_refused(load, given):
    with pytest.raises(SettingError, match=f"{given} names no setting") as raised:
        load(**{given: "x"})
    assert raised.value.evidence.advice == f"unset {given}, or add the setting to kvmdocs.toml"


@pytest.mark.parametrize(
    "name",
    [MARK, LANGUAGE, "KVMDOCS_SITE_URL_EN", "KVMDOCS_TEST_QEMU", "_KVMDOCS_COMPLETE", "KVMDOCS", "OTHER"],
)
def test_a_variable_that_is_no_setting_is_accepted(load, name):
    assert load(**{name: "x"}).values == DEFAULTS


def test_a_whole_number_is_a_number_of_seconds(load):
    assert load("[network]\nconnect = 3")["network.connect"] == 3


@pytest.mark.parametrize("data", [b"[limits", b"\xff\xfe", b"a = "])
def test_a_file_that_is_no_toml_is_named(tmp_path, data):
    (tmp_path / "kvmdocs.toml").write_bytes(data)
    with pytest.raises(SettingError, match=r"kvmdocs\.toml cannot be read") as raised:
        Settings.load(tmp_path, {})
    assert raised.value.evidence.place.path == "kvmdocs.toml"


def test_an_unknown_setting_is_an_error_with_a_suggestion(load):
    settings = load()
    with pytest.raises(SettingError, match=r"limits\.cpu'") as raised:
        settings["limits.cpu"]
    assert raised.value.evidence.advice == "did you mean 'limits.cpus'?"
    with pytest.raises(SettingError) as raised:
        settings["zzz"]
    assert raised.value.evidence.advice == "add it to kvmdocs.toml"


def test_the_projects_folder_is_found_upwards(tmp_path, monkeypatch):
    deep = tmp_path / "project" / "docs" / "en"
    deep.mkdir(parents=True)
    monkeypatch.delenv("MKDOCS_CONFIG_DIR", raising=False)
    assert find_root(deep) == deep
    (tmp_path / "project" / "docs" / "mkdocs.yml").write_text("")
    assert find_root(deep) == tmp_path / "project" / "docs"
    (tmp_path / "project" / "kvmdocs.toml").write_text("")
    assert find_root(deep) == tmp_path / "project"
    monkeypatch.chdir(deep)
    assert find_root() == tmp_path / "project"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MKDOCS_CONFIG_DIR", str(deep))
    assert find_root() == tmp_path / "project"


PARTS = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))


@given(PARTS, PARTS, WORDS)
def test_any_text_can_be_told_by_the_environment(tmp_path_factory, table, name, text):
    folder = tmp_path_factory.getbasetemp() / "settings"
    folder.mkdir(exist_ok=True)
    (folder / "kvmdocs.toml").write_text(f'[x{table}]\n{name} = "default"\n')
    full = f"x{table}.{name}"
    assert Settings.load(folder, {variable(full): text})[full] == text


@given(WORDS, st.sampled_from(["n = 1", "n = 1.5", "n = true", "n = []"]))
def test_no_text_in_the_environment_is_more_than_a_wrong_setting(tmp_path_factory, text, file):
    folder = tmp_path_factory.getbasetemp() / "settings"
    folder.mkdir(exist_ok=True)
    (folder / "kvmdocs.toml").write_text(f"[trial]\n{file}\n")
    before = Settings.load(folder, {})["trial.n"]
    try:
        found = Settings.load(folder, {"KVMDOCS_TRIAL_N": text})["trial.n"]
    except SettingError:
        return
    assert type(found) is type(before)


@pytest.mark.parametrize(
    ("text", "meant", "line"),
    [
        ('[project]\nconfgs = ["mkdocs.yml"]', "project.configs", 2),
        ("[netwrok]\nconnect = 1.0", "network.connect", 2),
        ('\nmodes = "live"', "mode", 2),
        ("[limit]\nlog = 3", "limits.log", 2),
    ],
)
def test_what_is_nearly_a_setting_is_refused_with_its_line(load, text, meant, line):
    with pytest.raises(SettingError, match="there is no setting") as raised:
        load(text)
    assert f"did you mean {meant!r}" in raised.value.evidence.advice
    assert raised.value.evidence.place.line == line


def test_a_name_of_a_projects_own_is_its_own(load):
    settings = load('[network]\nstall = 3.0\n[linux]\ngit = "x"\n[limits]\nrooms = 3\n')
    assert (settings["network.stall"], settings["linux.git"], settings["limits.rooms"]) == (3.0, "x", 3)
