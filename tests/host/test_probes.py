"""The host: facts are read, capabilities are tried."""

from __future__ import annotations

import os
import platform
import re
import socket
import time

import pytest

from kvmdocs.core.errors import CatalogError, SettingError
from kvmdocs.core.settings import Settings
from kvmdocs.host import cgroup, facts, probes
from kvmdocs.host.probes import Capabilities, ProbeResult
from kvmdocs.store.files import read_cache
from kvmdocs.store.store import Store


@pytest.fixture
def settings(tmp_path):
    def made(**values) -> Settings:
        loaded = Settings.load(tmp_path, {})
        return Settings(tmp_path, loaded.values | {name.replace("__", "."): value for name, value in values.items()})

    return made


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_the_host_is_described(settings):
    told = facts.describe(settings(host__name="label", limits__cpus=3))
    assert (told.name, told.machine, told.kernel, told.cpus) == ("label", platform.machine(), platform.release(), 3)
    assert told.memory > 1 << 20
    assert facts.describe(settings()).name == socket.gethostname()


def test_limits_come_from_the_settings_or_the_host(settings, monkeypatch, tmp_path):
    monkeypatch.setattr(cgroup, "MOUNT", tmp_path)
    assert facts.cpus(settings()) == len(os.sched_getaffinity(0))
    assert facts.memory(settings(limits__memory=5)) == 5
    assert 0 < facts.memory(settings()) < 1 << 50


def test_limits_of_a_container_count(settings, monkeypatch, tmp_path):
    monkeypatch.setattr(cgroup, "MOUNT", tmp_path)
    monkeypatch.setattr(cgroup, "SELF", tmp_path / "self")
    (tmp_path / "self").write_text("0::/\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text("12345678\n")
    assert facts.cpus(settings()) == 1
    assert facts.memory(settings()) == 12345678
    # Settings say what recipes may use, whatever the limits are.
    assert facts.cpus(settings(limits__cpus=9)) == 9
    assert facts.memory(settings(limits__memory=99999999)) == 99999999
    # A generous limit does not create processors or memory.
    (tmp_path / "cpu.max").write_text("1000000000 100000\n")
    (tmp_path / "memory.max").write_text(f"{1 << 60}\n")
    assert facts.cpus(settings()) == len(os.sched_getaffinity(0))
    assert facts.memory(settings()) < 1 << 50


def test_every_fact_can_be_read_and_stays(settings):
    names = tuple(facts.FACTS)
    told = facts.facts(names)
    assert told == facts.facts(names)
    assert all(isinstance(value, str) for value in told.values())
    assert told["machine"] == platform.machine()


def test_an_unknown_fact_is_an_error_with_those_that_are():
    with pytest.raises(CatalogError, match="'moon'") as raised:
        facts.facts(("machine", "moon"))
    assert "cpu-flags" in raised.value.evidence.advice


def test_a_capability_nobody_knows_is_an_error(settings, store):
    with pytest.raises(CatalogError, match="'fly'") as raised:
        Capabilities(settings(), store).have("fly")
    assert "ptrace" in raised.value.evidence.advice


@pytest.mark.process
@pytest.mark.parametrize("name", probes.PROBES)
def test_every_try_gives_an_answer_and_a_reason_if_it_is_no(name):
    tried = probes.PROBES[name]()
    assert tried.able is (tried.reason == "")


@pytest.mark.process
def test_an_attempt_to_trace_that_hangs_has_failed(settings, store, monkeypatch):
    monkeypatch.setattr(probes, "_ATTACH", "import time; time.sleep(60)")
    monkeypatch.setattr(probes, "TRACE_TIMEOUT", 0.3)
    result = Capabilities(settings(), store).have("ptrace")
    assert result == ProbeResult(False, "an attempt to trace a process did not end within 0.3 s")


@pytest.mark.process
def test_an_apt_that_hangs_has_no_archive(settings, store, monkeypatch, tmp_path):
    apt = tmp_path / "bin/apt-get"
    apt.parent.mkdir()
    apt.write_text("#!/bin/sh\nsleep 60\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(probes, "APT_TIMEOUT", 0.3)
    began = time.monotonic()
    result = Capabilities(settings(), store).have("apt-sources")
    assert result == ProbeResult(False, "apt on this host did not list its archives within 0.3 s")
    assert time.monotonic() - began < 30


def test_a_setting_can_be_needed(settings, store):
    able = Capabilities(settings(trial__way="b"), store)
    assert able.have("setting:trial.way=a|b") == ProbeResult(True)
    assert able.have("setting:trial.way=a|c") == ProbeResult(False, "the setting trial.way is 'b'")
    with pytest.raises(SettingError):
        able.have("setting:trial.no=x")
    assert not (store.root / "tries.json").exists()


def test_a_server_is_reached_or_not(settings, store):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        open_port = settings(trial__url=f"http://127.0.0.1:{port}/x")
        assert Capabilities(open_port, store).have("reach:trial.url") == ProbeResult(True)
    tried = Capabilities(settings(trial__url=f"git://127.0.0.1:{port}/y"), store).have("reach:trial.url")
    assert not tried.able
    assert "127.0.0.1 cannot be reached from this host" in tried.reason
    assert "no URL" in Capabilities(settings(trial__url="nowhere"), store).have("reach:trial.url").reason


def test_a_server_that_only_a_proxy_reaches(settings, store, monkeypatch):
    """The proxy is used as curl and git would use it, and resolves the name."""
    for name in ("https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    asked = settings(trial__url="https://mirror.invalid/x", trial__git="git://mirror.invalid/x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for name, address in (("https_proxy", f"http://127.0.0.1:{port}"), ("ALL_PROXY", f"127.0.0.1:{port}")):
            with monkeypatch.context() as environ:
                environ.setenv(name, address)
                assert Capabilities(asked, store).have("reach:trial.url") == ProbeResult(True)
                assert not Capabilities(asked, store).have("reach:trial.git").able
        # Without the proxy it is another question, whatever is remembered of the first.
        assert not Capabilities(asked, store).have("reach:trial.url").able
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", ".invalid")
    assert "its proxy" not in Capabilities(asked, store).have("reach:trial.url").reason
    monkeypatch.setenv("https_proxy", f"http://127.0.0.2:{port}")
    monkeypatch.delenv("no_proxy")
    told = Capabilities(asked, store).have("reach:trial.url").reason
    assert told == "mirror.invalid cannot be reached from this host (its proxy: Connection refused)"


def test_the_reasons_of_all_that_is_missing_are_told(settings, store):
    able = Capabilities(settings(trial__one="a", trial__two="b"), store)
    needs = ("setting:trial.one=a", "setting:trial.one=x", "setting:trial.two=y", "setting:trial.one=z")
    assert able.missing(needs) == "the setting trial.one is 'a'; the setting trial.two is 'b'"
    assert able.missing(()) == ""


@pytest.fixture
def tries(monkeypatch):
    """A capability that counts how often it was tried."""
    tried = []

    def attempt() -> ProbeResult:
        tried.append(1)
        return ProbeResult(False, "no moon")

    monkeypatch.setitem(probes.PROBES, "moon", attempt)
    return tried


def test_what_was_tried_is_believed_for_a_while(settings, store, tries, monkeypatch):
    for _ in range(3):
        assert Capabilities(settings(), store).have("moon") == ProbeResult(False, "no moon")
    assert len(tries) == 1
    later = time.time() + settings()["limits.tries_age"] + 1
    monkeypatch.setattr(time, "time", lambda: later)
    Capabilities(settings(), store).have("moon")
    assert len(tries) == 2
    monkeypatch.setattr(time, "time", lambda: later - 10**6)  # a clock that was set back
    Capabilities(settings(), store).have("moon")
    assert len(tries) == 3


def test_another_boot_is_another_try(settings, store, tries, monkeypatch):
    Capabilities(settings(), store).have("moon")
    monkeypatch.setattr(probes, "_boot", lambda: "another")
    Capabilities(settings(), store).have("moon")
    assert len(tries) == 2


def test_what_was_tried_can_be_forgotten(settings, store, tries):
    able = Capabilities(settings(), store)
    able.have("moon")
    able.have("moon")
    able.forget()
    able.have("moon")
    assert len(tries) == 2


@pytest.mark.parametrize("data", ["", "{", "[]", "null", '{"moon": 3}'])
def test_damaged_tries_are_as_good_as_none(settings, store, tries, data):
    (store.root).mkdir(parents=True)
    (store.root / "tries.json").write_text(data)
    assert Capabilities(settings(), store).have("moon").reason == "no moon"
    assert any("moon" in name for name in read_cache(store.root / "tries.json"))


def test_a_flipped_byte_in_what_was_tried_is_seen(settings, store, tries):
    Capabilities(settings(), store).have("moon")
    path = store.root / "tries.json"
    path.write_bytes(path.read_bytes().replace(b"no moon", b"no mood"))
    assert Capabilities(settings(), store).have("moon").reason == "no moon"
    assert len(tries) == 2


def test_a_store_that_cannot_be_written_forgets(settings, tmp_path, tries):
    (tmp_path / "file").write_text("")
    for _ in range(2):
        assert Capabilities(settings(), Store(tmp_path / "file")).have("moon").reason == "no moon"
    assert len(tries) == 2


def test_now_is_in_utc():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", facts.now())
