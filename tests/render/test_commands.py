from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kvmdocs.core.control_characters import UNSEEN
from kvmdocs.core.model import Step, Where
from kvmdocs.render.commands import copied, entries, runs
from tests.support.render_samples import LAB, host, make_record


def typed(*steps: Step, section: str | None = None) -> list[str]:
    return [entry.copied for entry in entries(make_record(*steps), section)]


def test_the_first_step_makes_the_recipes_folder() -> None:
    assert typed(host("true")) == [f"mkdir -p {LAB}/sample && cd {LAB}/sample &&\ntrue"]


def test_a_folder_is_changed_to_when_it_changes() -> None:
    steps = [host("mkdir b"), host("ls", cwd=f"{LAB}/sample/b"), host("pwd", cwd=f"{LAB}/sample/b"), host("ls")]
    assert typed(*steps)[1:] == [f"cd {LAB}/sample/b &&\nls", "pwd", f"cd {LAB}/sample &&\nls"]


def test_a_folder_that_a_hidden_step_made_is_made_where_a_section_begins_in_it() -> None:
    """The page shows only sections, so the `mkdir` before the first one is not on it."""
    build = f"{LAB}/sample/build"
    steps = [host("mkdir build"), host("configure", cwd=build, section="c"), host("make", cwd=build, section="m")]
    assert typed(*steps, section="c") == [f"mkdir -p {build} && cd {build} &&\nconfigure"]
    assert typed(*steps, section="m") == [f"cd {build} &&\nmake"]
    assert typed(*steps)[1] == f"cd {build} &&\nconfigure"


def test_a_folder_that_the_section_itself_makes_is_only_changed_to() -> None:
    steps = [host("a"), host("mkdir b", section="s"), host("c", cwd=f"{LAB}/sample/b", section="s")]
    assert typed(*steps, section="s")[1] == f"cd {LAB}/sample/b &&\nc"


def test_another_recipes_folder_is_not_made() -> None:
    assert typed(host("ls", cwd=f"{LAB}/other")) == [f"cd {LAB}/other &&\nls"]


def test_a_sections_own_folder_is_made_behind_one_of_another_recipe() -> None:
    steps = [host("a", cwd=f"{LAB}/other"), host("b"), host("c", cwd=f"{LAB}/other", section="s"), host("d", section="s")]
    assert typed(*steps, section="s") == [f"cd {LAB}/other &&\nc", f"mkdir -p {LAB}/sample && cd {LAB}/sample &&\nd"]


def test_a_section_begins_with_its_folder() -> None:
    steps = [host("a"), host("b", section="s"), host("c", section="s")]
    assert typed(*steps, section="s") == [f"mkdir -p {LAB}/sample && cd {LAB}/sample &&\nb", "c"]


def test_a_folder_with_a_space() -> None:
    assert typed(host("ls", cwd=f"{LAB}/other/a b")) == ["cd ~/'kvm-lab/other/a b' &&\nls"]


def test_each_terminal_has_a_folder_of_its_own() -> None:
    steps = [host("a"), host("b", machine="two"), host("c")]
    assert typed(*steps)[1:] == [f"cd {LAB}/sample &&\nb", "c"]


def test_guests_and_debuggers_have_no_folder_of_the_host() -> None:
    assert typed(Step(Where.GUEST, "ls"), Step(Where.GDB, "bt")) == ["ls", "bt"]


def test_a_background_command() -> None:
    assert typed(host("qemu \\\n    -m 1G", background=True))[0].endswith(" && {\nqemu \\\n    -m 1G &\n}")


def test_steps_are_grouped_by_their_prompt() -> None:
    steps = [host("a"), Step(Where.GDB, "b"), Step(Where.GDB, "c"), Step(Where.GDB, "d", machine="2"), host("e")]
    groups = runs(entries(make_record(*steps), None))
    assert [[entry.step.command for entry in group] for group in groups] == [["a"], ["b", "c"], ["d"], ["e"]]
    assert copied(groups[1]) == "b\nc"


@pytest.mark.process
def test_nothing_of_what_is_copied_is_reached_where_changing_the_folder_fails(tmp_path: Path) -> None:
    gone, there = tmp_path / "gone", tmp_path / "there"
    there.mkdir()
    steps = [
        host("true"),
        *(replace(host(f"echo {name} >> said"), cwd=str(gone)) for name in "ab"),
        *(replace(host(f"echo {name} >> said", background=name == "d"), cwd=str(there)) for name in "cd"),
    ]
    bash(copied(entries(make_record(*steps), None)), tmp_path)
    assert not (tmp_path / "said").exists()
    assert set((there / "said").read_text().split()) == {"c", "d"}


def test_what_is_typed_at_several_prompts_is_not_copied_together() -> None:
    found = entries(make_record(host("a"), Step(Where.GUEST, "b")), None)
    with pytest.raises(ValueError, match="several prompts"):
        copied(found)
    with pytest.raises(ValueError, match="several prompts"):
        copied(entries(make_record(Step(Where.GUEST, "b"), Step(Where.GUEST, "b", machine="l2")), None))


DESTROY = [
    "rm -r victim",
    "rm victim",
    "/bin/rm -f ./victim",
    "LC_ALL=C rm victim",
    "true && rm victim",
    "true; rm victim",
    "false || rm victim",
    "echo victim | xargs rm",
    "echo victim | xargs -n 1 rm -f",
    "find . -name victim -exec rm {} +",
    "bash -c 'rm victim'",
    'sh -c "rm victim"',
    "for one in victim; do rm $one; done",
    "if true; then rm victim; fi",
    "true \\\n    && rm victim",
    "true\nrm victim",
    "echo $(rm victim)",
    "(rm victim)",
    "{ rm victim; }",
    "timeout 10 rm victim",
    "env rm victim",
    "unlink victim",
    "shred -u victim",
    "mv victim elsewhere",
    "mv other victim",
    "dd if=/dev/zero of=victim bs=1 count=1 status=none",
    "cat other | dd of=victim status=none",
    "truncate -s 0 victim",
    "find . -name victim -delete",
    "/sbin/mke2fs -q -F victim 64 >/dev/null 2>&1",
    "mkfs.ext4 -q -F victim 64 >/dev/null 2>&1",
]


def bash(line: str, here: Path) -> str:
    """Run lines in a shell that continues after a failure, like a terminal. Return the content of the reader's file then."""
    (here / "victim").write_text("mine")
    (here / "other").write_text("other")
    script = f"{line}\nwait\n"
    subprocess.run(
        ["bash", "-c", script], cwd=here, check=False, capture_output=True, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
    )
    return (here / "victim").read_text() if (here / "victim").exists() else ""


@pytest.mark.process
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("command", DESTROY)
def test_what_destroys_is_not_reached_where_changing_the_folder_fails(
    tmp_path: Path, command: str, *, background: bool
) -> None:
    (tmp_path / "there").mkdir()
    reader = tmp_path / "reader"
    reader.mkdir()
    gone = replace(host(command, background=background), cwd=str(tmp_path / "gone"))
    for found in (entries(make_record(host("true"), gone), None)[1], entries(make_record(gone, gone), None)[1]):
        assert bash(found.copied, reader) == "mine"
        assert bash(found.shown, reader) == "mine", "it is so where a reader takes what the page shows"


@pytest.mark.process
@pytest.mark.parametrize("command", [one for one in DESTROY if "mk" not in one])
def test_what_destroys_is_reached_where_the_folder_is(tmp_path: Path, command: str) -> None:
    reader, there = tmp_path / "reader", tmp_path / "there"
    reader.mkdir()
    there.mkdir()
    (there / "victim").write_text("theirs")
    (there / "other").write_text("other")
    (_, found) = entries(make_record(host("true"), replace(host(command), cwd=str(there))), None)
    assert bash(found.copied, reader) == "mine"
    assert not (there / "victim").exists() or (there / "victim").read_text() != "theirs"


def test_git_that_throws_work_away_is_not_reached_either() -> None:
    for command in ("git clean -d -f -x", "git -C . reset --hard", "git checkout -- .", "git stash"):
        (entry,) = entries(make_record(host(command)), None)
        assert entry.shown == f"mkdir -p {LAB}/sample && cd {LAB}/sample &&\n{command}"


@pytest.mark.parametrize(
    "command",
    [
        "make -j2",
        "ls",
        "cat rm",
        "echo of=x",
        "git log",
        "gdb -p 1",
        "grep -r mv .",
        "tar -x -f a.tar",
        "qemu-system-x86_64 -name rm",
    ],
)
def test_what_destroys_nothing_stays_as_it_was_typed(command: str) -> None:
    assert typed(host("true"), host(command))[1] == command


@pytest.mark.process
@pytest.mark.parametrize("mode", ["", "755"])
def test_a_file_is_not_written_elsewhere_where_changing_the_folder_fails(tmp_path: Path, mode: str) -> None:
    written = Step(Where.FILE, "victim", stdin="new\n", mode=mode, cwd=str(tmp_path / "gone"))
    for found in entries(make_record(written, written), None):
        assert bash(found.copied, tmp_path) == "mine"
        assert not (tmp_path / "victim").stat().st_mode & 0o100
    there = replace(written, cwd=str(tmp_path / "sample"))
    (tmp_path / "sample").mkdir()
    bash(entries(make_record(there), None)[0].copied, tmp_path)
    assert (tmp_path / "sample/victim").read_text() == "new\n"
    assert bool((tmp_path / "sample/victim").stat().st_mode & 0o100) is bool(mode)


def test_a_file_belongs_to_the_shell_that_writes_it() -> None:
    steps = [Step(Where.FILE, "x", stdin="1\n"), replace(host("a"), where=Where.ROOT)]
    found = entries(make_record(*steps), None)
    assert [entry.where for entry in found] == [Where.ROOT, Where.ROOT]


@pytest.mark.process
@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        "a",
        "a\nb",
        "EOF\n",
        "EOF\nEOF_\nx\n",
        "$HOME `id` \\ ' \" !\n",
        "\n\n",
        "tab\there\n",
        "it's",
        "%s\n%d",
        "-n",
        "turned \u202e around\n",
        "\ufeffmarked\n",
        "page\x0cbreak\nwindows\r\n",
        "colour \x1b[31m\n",
    ],
)
@pytest.mark.parametrize("name", ["file", "sub/dir/file", "'a b'"])
def test_what_is_copied_writes_the_file(tmp_path: Path, text: str, name: str) -> None:
    (line,) = typed(Step(Where.FILE, name, stdin=text))
    subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True)
    assert (tmp_path / name.strip("'")).read_bytes() == text.encode()
    assert not UNSEEN.search(line)


@pytest.mark.process
@pytest.mark.parametrize("command", ["cat", "cat | cat", "true; cat", "cat \\\n    -"])
@pytest.mark.parametrize("text", ["a\nEOF\n", "no newline", "it's $HOME\n", "turned \u202e around\n", "no newline \u2066"])
def test_what_is_copied_feeds_the_command(tmp_path: Path, command: str, text: str) -> None:
    (line,) = typed(host(command, stdin=text, cwd=None))
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True, capture_output=True)
    assert done.stdout == text.encode()


def test_a_file_that_is_a_program_is_made_one():
    (line,) = typed(Step(Where.FILE, "init", stdin="#!/bin/sh\n", mode="755"))
    assert line.endswith("EOF\nchmod 755 init")


def test_a_file_with_a_quoted_name_in_a_folder_is_written_with_that_folder() -> None:
    (text,) = typed(Step(Where.FILE, '"it\'s here/a file"', stdin="text\n"))
    assert text.startswith('mkdir -p "$(dirname "it\'s here/a file")" && cat > "it\'s here/a file" <<')


def test_a_guests_command_is_copied_as_the_one_line_that_its_shell_takes() -> None:
    command = "until ready; do\n    sleep 1; done 2>&1 |\n    perf record -a \\\n    -e kvm:kvm_exit \\\n    inner"
    (entry,) = entries(make_record(Step(where=Where.GUEST, command=command)), None)
    assert entry.typed == command
    assert entry.copied == "until ready; do sleep 1; done 2>&1 | perf record -a -e kvm:kvm_exit inner"
