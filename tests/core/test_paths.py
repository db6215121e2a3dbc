"""Display of the host's paths, and commands that can be pasted."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmdocs.core.paths import WIDTH, PathDisplay, homes

WORK = Path("/srv/store/v1/work")
KEY = "0123456789abcdef"
FIRST = f"{WORK}/first-{KEY}"
HOME = "/home/reader"


@pytest.fixture
def names() -> PathDisplay:
    return made()


def made() -> PathDisplay:
    return PathDisplay(
        WORK, masks={"/srv/store/v1/home": "~", "/srv": "<project>", "mirror.internal.example": "mirror.example"}
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (FIRST, "~/kvm-lab/first"),
        (f"{FIRST}/a/b.c:3: error", "~/kvm-lab/first/a/b.c:3: error"),
        (f"-I{FIRST}/inc -L={FIRST}", "-I~/kvm-lab/first/inc -L=~/kvm-lab/first"),
        (f"{FIRST}f", f"<project>/store/v1/work/first-{KEY}f"),
        (f"../second_part-{KEY}/a.c", "../second_part/a.c"),
        ("/srv/store/v1/home/.gnupg", "~/.gnupg"),
        ("-I/srv/include", "-I<project>/include"),
        ("--prefix=/srv, in /srv.", "--prefix=<project>, in <project>."),
        ("\x1b[1m/srv/x\x1b[m/srv", "\x1b[1m<project>/x\x1b[m<project>"),
        ("file:///srv/x", "file://<project>/x"),
        ("/srv/srv/x >/srv/x", "<project>/srv/x ><project>/x"),
        ("/usr/srv /srv-2 /srv.d ./srv /srvx", "/usr/srv /srv-2 /srv.d ./srv /srvx"),
        ("get http://mirror.internal.example/qemu", "get http://mirror.example/qemu"),
        ("nothing of this host", "nothing of this host"),
    ],
)
def test_paths_and_masked_text_are_made_readable(names, text, shown):
    assert names.readable(text) == shown


def test_the_longest_mask_wins(names):
    names.mask("mirror.internal.example/secret", "other.example")
    names.mask("", "never")
    assert names.readable("http://mirror.internal.example/secret/x") == "http://other.example/x"


PIECES = st.sampled_from(
    [
        FIRST,
        str(WORK),
        "/srv",
        "/srv/store/v1/home",
        "~",
        "~/kvm-lab",
        "/",
        "-",
        " ",
        "=",
        ":",
        "a",
        KEY,
        "mirror.internal.example",
    ]
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)
MIXED = st.lists(PIECES | TEXT, max_size=5).map("".join)


@given(MIXED)
def test_what_is_readable_stays_as_it_is(text):
    once = made().readable(text)
    assert made().readable(once) == once


@given(MIXED)
def test_nothing_of_a_workspace_is_left(text):
    assert f"{FIRST}/" not in made().readable(f"{text} {FIRST}/{text}")


# -- commands ---------------------------------------------------------------------------------------------------


def parsed(command: str) -> list[str]:
    """Return the arguments that bash makes of a command, for a reader whose home is `HOME`."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", f"printf '%s\\0' {command}"],
        env={"HOME": HOME, "LC_ALL": "C.UTF-8"},
        cwd="/",
        capture_output=True,
        check=True,
    )
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


def meant(argument: str) -> str:
    """Return what a reader's program should get: the argument with the host's paths replaced by the reader's."""
    return made()._replaced(argument, "\0").replace("\0", HOME)


ODD = [
    "",
    " ",
    "~",
    "~/x",
    "~root",
    "a=~/x",
    "a:~",
    "HEAD~1",
    "$HOME",
    "$(id)",
    "`id`",
    "*",
    "?",
    "[a]",
    "{a,b}",
    "!x",
    "a\\b",
    "\\",
    "'",
    '"',
    "a'b\"c",
    "line\nline",
    "tab\t",
    "#no",
    "a#b",
    ";",
    "&&",
    "|",
    ">x",
    "<(x)",
    "(",
    "-x",
    "--opt=a b",
    "虚拟机",
    "=a",
    "%1",
    "^a",
    FIRST,
    f"{FIRST}/a b",
    f"{FIRST}/$x",
    f"{FIRST}/it's",
    f"{FIRST}/a*",
    f"{FIRST}/~",
    f"--with={FIRST}/x",
    f"--with={FIRST}/a b",
    f"file={FIRST}/d.img,if=none,id=$x",
    f"{FIRST}:{FIRST}/y",
    f'a"b`c\\d {FIRST}',
    "/srv/store/v1/home",
    "/srv/store/v1/home/.gnupg",
    "--homedir=/srv/store/v1/home/a b",
    "/srv/x",
]


@pytest.mark.process
@pytest.mark.parametrize("argument", ODD, ids=repr)
def test_an_argument_is_typed_so_that_a_shell_gives_it_back(names, argument):
    assert parsed(names.argument(argument)) == [meant(argument)]


@pytest.mark.process
@given(st.lists(MIXED | st.sampled_from(ODD), min_size=1, max_size=30), st.booleans())
@settings(max_examples=60)
def test_a_command_can_be_pasted(words, option_a_line):
    shown = made().command(["prog", *words], option_a_line=option_a_line)
    assert parsed(shown) == ["prog", *(meant(word) for word in words)]


@pytest.mark.parametrize(
    ("argument", "typed"),
    [
        (f"{FIRST}/x", "~/kvm-lab/first/x"),
        (f"{FIRST}/a b", "~/kvm-lab/'first/a b'"),
        (f"--with={FIRST}", "--with=$HOME/kvm-lab/first"),
        (f"-drive file={FIRST}/x", '"-drive file=$HOME/kvm-lab/first/x"'),
        ("-j2", "-j2"),
        ("1.0~rc1", "1.0~rc1"),
        ("a,b=c:d@e%f+g", "a,b=c:d@e%f+g"),
    ],
)
def test_nothing_is_quoted_that_need_not_be(names, argument, typed):
    assert names.argument(argument) == typed


def test_a_short_command_is_one_line(names):
    assert names.command(["make", "-j2", "all"]) == "make -j2 all"


def test_a_long_command_is_wrapped_at_its_options(names):
    argv = ["qemu-system-x86_64", *(word for number in range(9) for word in (f"-option{number}", f"value{number}"))]
    filled = names.command(argv).split(" \\\n")
    assert len(filled) > 1
    assert all(len(line) <= WIDTH for line in filled)
    assert all(line.startswith("    -option") for line in filled[1:])
    each = names.command(argv, option_a_line=True).split(" \\\n")
    assert each[1:] == [f"    -option{number} value{number}" for number in range(9)]


def test_a_long_list_of_files_is_wrapped_too(names):
    lines = names.command(["cat", *(f"file{number:03d}" for number in range(40))]).split(" \\\n")
    assert all(len(line) <= WIDTH for line in lines)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"cat {FIRST}/a | wc -l > {FIRST}/b", "cat ~/kvm-lab/first/a | wc -l > ~/kvm-lab/first/b"),
        (f'x="{FIRST}/a"; (cd {FIRST})', 'x="$HOME/kvm-lab/first/a"; (cd ~/kvm-lab/first)'),
        (f"make O={FIRST}", "make O=$HOME/kvm-lab/first"),
        (f"awk '/x/' '{FIRST}/a b'", """awk '/x/' "$HOME"'/kvm-lab/first/a b'"""),
        (f"sed 's|{FIRST}|x|' -f '{FIRST}'", """sed 's|'"$HOME"'/kvm-lab/first|x|' -f "$HOME"'/kvm-lab/first'"""),
        (f"gdb -ex 'file {FIRST}/x'", "gdb -ex 'file ~/kvm-lab/first/x'"),
        (
            f'sh -c "cat {FIRST}/x"; echo "it\'s in {FIRST}"',
            """sh -c "cat $HOME/kvm-lab/first/x"; echo "it's in $HOME/kvm-lab/first\"""",
        ),
        ("echo $((1 + 2)) ~/x", "echo $((1 + 2)) ~/x"),
    ],
)
def test_a_line_of_shell_stays_what_the_author_wrote(names, line, shown):
    assert names.text(line) == shown


@pytest.mark.process
@pytest.mark.parametrize(
    "line",
    [
        f"printf '%s\\0' '{FIRST}/a b' a'{FIRST}'b 'a={FIRST}:{FIRST}/y'",
        f"printf '%s\\0' \"it's {FIRST}/x\" \"$(echo 'a={FIRST}')\" \"`echo 'a={FIRST}'`\"",
        f"printf '%s\\0' a\\'{FIRST} $'it\\'s\\t{FIRST}' a\"'\"{FIRST}\"'\"",
        f"printf '%s\\0' {FIRST}/x # it's {FIRST}\nprintf '%s\\0' a={FIRST} a#\"'{FIRST}'\"",
        f"printf '%s\\0' $((1 << 2)) '{FIRST}' ${{#HOME}} '{FIRST}'",
        f"case a in (b) ;; a) printf '%s\\0' '{FIRST}';; esac",
        f"mapfile -t a < <(echo '{FIRST}'); printf '%s\\0' \"${{a[@]}}\" '{FIRST}'",
        f"printf '%s\\0' \"$(cat <<E\nit's {FIRST}/x\nE\n)\" '{FIRST}'",
        f"read -r a <<< '{FIRST}'; printf '%s\\0' \"$a\" '{FIRST}'",
    ],
)
def test_a_line_of_shell_gives_the_readers_paths(names, line):
    def printed(text: str) -> bytes:
        command = ["bash", "--noprofile", "--norc", "-c", text]
        return subprocess.run(command, env={"HOME": HOME}, cwd="/", capture_output=True, check=True).stdout

    assert printed(names.text(line)) == printed(line.replace(FIRST, f"{HOME}/kvm-lab/first"))


def test_a_lab_that_is_not_below_the_home(names):
    elsewhere = PathDisplay(WORK, "/lab")
    assert elsewhere.argument(f"{FIRST}/x") == "/lab/first/x"
    assert elsewhere.argument(f"--with={FIRST}/a b") == "'--with=/lab/first/a b'"
    assert elsewhere.text(f"a={FIRST}") == "a=/lab/first"


def test_the_users_home_is_hidden_also_where_a_job_has_another(names, monkeypatch):
    monkeypatch.setattr("kvmdocs.core.paths.pwd.getpwuid", lambda _: SimpleNamespace(pw_dir="/home/somebody"))
    assert homes({"HOME": "/job/home"}) == {"/job/home": "~", "/home/somebody": "~"}
    monkeypatch.setattr("kvmdocs.core.paths.pwd.getpwuid", lambda _: SimpleNamespace(pw_dir="/root"))
    assert homes({}) == {"/root/.": "~/."}
    shown = PathDisplay(WORK, "~/kvm-lab", homes({"HOME": "/"}))
    assert shown.readable("/root/.tools/bin/x -L/root/.lib /root /root/init /a/root/.x") == (
        "~/.tools/bin/x -L~/.lib /root /root/init /a/root/.x"
    )
    monkeypatch.setattr("kvmdocs.core.paths.pwd.getpwuid", lambda _: {}[0])
    assert homes({}) == {}
