"""Detection of secrets, and their removal from text."""

from __future__ import annotations

import base64
import html
import json
import shlex
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kvmdocs.core.secrets.environment import TRIVIAL, is_secret, secret_values
from kvmdocs.core.secrets.masking import MASK, SHORT, Secrets, Stream
from kvmdocs.recording.capture import Capture

SECRET = [
    *("CI_JOB_TOKEN", "TOKEN", "GITHUB_TOKEN", "token", "githubToken", "MY_TOKEN_2", "TOKENS", "VAULT_TOKEN2"),
    *("DB_PASSWORD", "PGPASSWORD", "SSHPASS", "MYSQL_PWD", "ROOT_PASSWD", "GPG_PASSPHRASE", "FTP_PASS"),
    *("CLIENT_SECRET", "SECRET_KEY_BASE", "AWS_SECRET_ACCESS_KEY", "APP_SECRETS", "docker-secret"),
    *("API_KEY", "API_KEY_1", "KEY", "SSH_PRIVATE_KEY", "OPENAI_API_KEY", "APIKEY", "apiKey", "PUBLIC_TOKEN"),
    *("GOOGLE_CREDENTIALS", "DB_CREDENTIAL", "GITHUB_PAT", "CI_JOB_JWT", "NPM_AUTH", "npm_config__authToken"),
]
NO_SECRET = [
    *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "SSH_AUTH_SOCK", "XAUTHORITY", "AUTHOR", "GIT_ASKPASS", "PWD", "OLDPWD"),
    *("TOKENIZERS_PARALLELISM", "KEYBOARD", "XKEYSYMDB", "MONKEY_PATCH", "SECRETARY", "COMPASS", "PASSTHROUGH", "HOTKEY"),
    *("LESSKEY", "GNOME_KEYRING_CONTROL", "PATH", "HOME", "TERM", "SSH_PUBLIC_KEY", "KEY_FINGERPRINT", "PATCH_LEVEL", ""),
]


@pytest.mark.parametrize("name", SECRET)
def test_a_name_of_a_secret(name):
    assert is_secret(name, "8J4kQ2-zz91")
    assert secret_values({name: "8J4kQ2-zz91"}) == {"8J4kQ2-zz91": MASK}
    assert secret_values({name: "8J4kQ2-zz91"}, exempt=[name.lower()]) == {}


@pytest.mark.parametrize("name", NO_SECRET)
def test_a_name_of_no_secret(name):
    assert not is_secret(name, "8J4kQ2-zz91")
    assert secret_values({name: "8J4kQ2-zz91"}) == {}
    assert name in {"", "PWD", "OLDPWD"} or secret_values({name: "8J4kQ2-zz91"}, variables=[f"{name[:3]}*"]) == {
        "8J4kQ2-zz91": MASK
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEY", "1"),
        ("KEY", "kernel"),
        ("SORT_KEY", "createdat"),
        ("KEY", "20240101"),
        ("API_TOKEN", "true"),
        ("API_TOKEN", "12345"),
        ("USE_TOKEN", ""),
        ("DB_PASSWORD", "secret"),
        ("PASSWORD_FILE", "/etc/passwd"),
        ("GPG_KEY", "E3FF2839C048B25C084DEBE9B26995E310250568"),
        ("PGP_KEY", "0xB26995E310250568"),
        ("SIGNING_GPG_KEY", "E3FF 2839 C048 B25C 084D  EBE9 B269 95E3 1025 0568"),
    ],
)
def test_values_that_would_only_tear_holes_and_what_everybody_may_know(name, value):
    assert secret_values({name: value}) == {}


def test_a_key_of_openpgp_itself_is_a_secret():
    armoured = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQdGBGSomething0123456789\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----"
    found = secret_values({"GPG_KEY": armoured})
    assert armoured in found
    assert "lQdGBGSomething0123456789" in found


def test_passwords_within_addresses_and_json_whatever_the_name():
    found = secret_values(
        {
            "https_proxy": "http://me:sword%2Ffish@proxy.example:3128",
            "DATABASE_URL": "postgres://app:db-pass-1@db/x",
            "PLAIN_URL": "https://mirror.example/x",
            "DOCKER_AUTH_CONFIG": '{"auths": {"r.example": {"auth": "bWU6c3dvcmRmaXNo", "email": "me@r.example"}}, '
            '"x": [{"api_key": "in-a-list-1"}]}',
            "BROKEN": '{"token": ',
            "ODD": "http://[broken:pass-word@x",
        }
    )  # fmt: skip
    assert set(found) == {"sword%2Ffish", "sword/fish", "db-pass-1", "bWU6c3dvcmRmaXNo", "in-a-list-1", "pass-word"}


FORMS = {
    "github": "ghp_" + "a1B2" * 9,
    "github_server": "ghs_" + "a1B2" * 9,
    "github_fine": "github_pat_11ABCDEFG0" + "a1B2" * 15,
    "gitlab": "glpat-" + "a1-B_" * 4,
    "gitlab_routed": "glpat-" + "a1B2" * 8 + ".01.0a1b2c3d4",
    "gitlab_runner": "glrt-" + "a1B2" * 5,
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "aws_session": "ASIA2345ABCDEFGHIJKL",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "slack": "xoxb-123456789012-abcdefABCDEF",
    "google": "AIza" + "a1B2-" * 7,
    "stripe": "sk_live_" + "a1B2" * 6,
    "npm": "npm_" + "a1B2" * 9,
    "pypi": "pypi-AgEIcHlwaS5vcmc" + "a1B2" * 15,
    "anthropic": "sk-ant-api03-" + "a1B2" * 10,
    "hugging_face": "hf_" + "aBcD" * 8 + "ab",
    "docker": "dckr_pat_" + "a1B2" * 7,
    "vault": "hvs." + "a1B2" * 8,
    "age": "AGE-SECRET-KEY-1" + "QPZRY9X8GF" * 5 + "QPZRY9X8",
    "pem": "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n"
    f"{'MIIabcd+/=' * 6}\n{'x' * 64}\n-----END RSA PRIVATE KEY-----",
    "openssh": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----",
    "pem_in_json": json.dumps("-----BEGIN PRIVATE KEY-----\nMIIabcd+/=MIIabcd\n-----END PRIVATE KEY-----\n")[1:-3],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_well_known_forms_are_secret_whoever_holds_them(form):
    secret = FORMS[form]
    known = Secrets()
    for around in ("{}", "token: {}\nnext", '{{"token": "{}"}}', "export T={}; x", "a {} b {}"):
        text = around.format(secret, secret)
        assert known.mask(text) == around.format(MASK, MASK)
    coloured = f"\x1b[1m{secret[:5]}\x1b[0m\x1b[K{secret[5:]} after"
    assert known.mask(coloured) == f"\x1b[1m\x1b[0m\x1b[K{MASK} after" or known.mask(coloured).endswith(f"{MASK} after")
    assert secret[5:] not in known.mask(coloured)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("git clone https://me:pw@host/x", f"git clone https://me:{MASK}@host/x"),
        ("http://:pw@host", f"http://:{MASK}@host"),
        ("> Authorization: Basic bWU6c3dvcmRmaXNo\n> X: y", f"> Authorization: Basic {MASK}\n> X: y"),
        ("authorization: bearer abcdef.1234", f"authorization: bearer {MASK}"),
        ("aws_secret_access_key = " + "a1B2/" * 8, f"aws_secret_access_key = {MASK}"),
        ('"SecretAccessKey": "' + "a1B2/" * 8 + '"', f'"SecretAccessKey": "{MASK}"'),
        ("-----BEGIN PRIVATE KEY-----\n" + "MIIabcdefgh12345\n" * 3 + "cut off here", f"{MASK}cut off here"),
        ("MIIabcdefgh12345\n" * 3 + "-----END PRIVATE KEY-----\nafter", f"{MASK}\nafter"),
    ],
)
def test_forms_of_which_a_part_is_secret(text, shown):
    assert Secrets().mask(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://user:$PASSWORD@host https://user:<password>@host https://user:${P}@host https://u:***@h https://u:%s@h",
        "http://host:8080/a@b ssh://git@host:22/x git@host:repo",
        "-----BEGIN CERTIFICATE-----\nMIIabcdefgh12345\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIabcdefgh12345\n-----END PUBLIC KEY-----",
        "commit 018f3dcf2b2a018f3dcf2b2a018f3dcf2b2a9988",
        "E3FF2839C048B25C084DEBE9B26995E310250568",
        "eyJ is how JSON begins; ghp_short glpat-x AKIA sk-1 xoxo",
        "object file kvm_sk_live_x.o hf_transfer npm_config",
        "0x7ffff7dd5000 <_rtld_global_ro+1234>",
    ],
)
def test_text_that_only_looks_alike_stays(text):
    assert Secrets().mask(text) == text


VALUES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=SHORT, max_size=40).filter(
    lambda text: text == text.strip() and text.lower() not in TRIVIAL and text not in MASK and not set(text) <= set("<secret>")
)
AROUND = st.text("ab /=:,.\n'\"{}", max_size=12)


@given(VALUES, AROUND, AROUND)
@example("p@ss/w+rd&\"it's\\zz", "a", "b")
def test_a_value_is_found_in_the_forms_in_which_programs_print_it(value, before, after):
    known = Secrets({value: MASK})
    data = value.encode()
    forms = [
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        html.escape(value),
        repr(value)[1:-1],
        shlex.quote(value),
        data.hex(),
        f"\x1b[31m{value[:3]}\x1b[m{value[3:]}",
        f"{value[:4]}\n{value[4:]}",
        f"{value[:4]}\r\n{value[4:]}",
    ]
    for form in forms:
        shown = known.mask(f"{before}{form}{after}")
        assert MASK in shown, form
        assert known.mask(shown) == shown
    for user in (b"", b"a", b"me", b"you:"):
        text = base64.b64encode(user + data + b"\n").decode()
        inner = base64.b64encode(bytes(len(user)) + data).decode()[(len(user) * 8 + 5) // 6 : -4]
        for one in (text, text.replace("+", "-").replace("/", "_"), f"{text[:9]}\n{text[9:]}"):
            shown = known.mask(f"{before}{one}{after}")
            assert inner not in shown
            assert MASK in shown


def test_a_short_one_is_hidden_as_a_word_only():
    known = Secrets({"hunter2": MASK})
    assert known.mask("hunter2 xhunter2 'hunter2' p=hunter2, hunter22") == f"{MASK} xhunter2 '{MASK}' p={MASK}, hunter22"


def test_one_within_another_and_their_own_words():
    known = Secrets({"http://me:sword-fish@proxy.example:3128": "<https_proxy>", "sword-fish": MASK})
    assert known.mask("a http://me:sword-fish@proxy.example:3128 b sword-fish") == f"a <https_proxy> b {MASK}"


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=40), st.integers(0, 2))
def test_a_secret_is_found_across_pieces_of_any_size(sizes, kind):
    secret = ("tok-canary-8J4kQ2", "ghp_" + "a1B2" * 9, FORMS["pem"])[kind]
    known = Secrets({"tok-canary-8J4kQ2": MASK})
    text = "".join(f"{'line ' * (size // 5)}{secret}\n" for size in sizes)
    stream = Stream(known)
    stream.SIZE = 8192
    taken = b""
    data = text.encode()
    while data:
        for size in sizes:
            taken += stream.take(data[:size])
            data = data[size:]
    assert (taken + stream.end()).decode() == known.mask(text) == text.replace(secret, MASK)


def test_a_secret_at_the_borders_of_what_a_record_keeps(tmp_path):
    secret = "tok-canary-8J4kQ2"
    for shift in range(len(secret) + 1):
        capture = Capture(tmp_path / f"{shift}.log", 1 << 17, Secrets({secret: MASK}))
        size = 48 * 1024 - shift
        text = "x" * size + secret + "y" * 50_000 + secret + "z" * (1 << 17)
        for start in range(0, len(text), 5000):
            capture.write(text[start : start + 5000].encode())
            assert secret[:6] not in capture.text() + capture.last_line()
        output = capture.finish(None)
        for kept in (output.head, output.tail, (tmp_path / f"{shift}.log").read_text()):
            assert not any(secret[at : at + 4] in kept for at in range(len(secret) - 3))


def test_a_secret_that_is_half_printed_is_not_in_the_last_line(tmp_path):
    capture = Capture(tmp_path / "log", 1 << 17, Secrets({"tok-canary-8J4kQ2": MASK}))
    capture.write(b"first\nso tok-cana")
    assert capture.last_line() == "so"


@pytest.mark.parametrize(
    "line",
    ["{} gcc -O2 -I../include -o target/{}.o -c ../qemu/hw/{}.c\n", "{}" * 3, "x" * 90, "eyJ {} :// session_token ghp_ \n"],
)
def test_it_costs_little_of_a_long_output(line):
    text = "".join(line.format(number, number, number) for number in range(4_000_000 // len(line)))
    known = Secrets({f"secret-value-number-{number}-{number * 7919:x}": MASK for number in range(20)})
    began = time.process_time()
    assert known.mask(text) == text
    assert time.process_time() - began < len(text) / 1e6  # seconds: a megabyte in one, of which it takes some hundredths
