"""Which values of a build's environment are secret: those of variables that are called so, and passwords within addresses.

A name counts by its whole words: ``CI_JOB_TOKEN`` is one of a secret, ``TOKENIZERS_PARALLELISM`` and ``GIT_AUTHOR_NAME`` are not. Not secret is what
would only tear holes into pages (a number, a common word), the path of something that is there, a public key, a key's fingerprint.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote, urlsplit

from kvmdocs.core.secrets.forms import known
from kvmdocs.core.secrets.masking import MASK

WORDS = frozenset(
    [
        "TOKEN",
        "TOKENS",
        "SECRET",
        "SECRETS",
        "PASSWORD",
        "PASSWORDS",
        "PASSWD",
        "PASSPHRASE",
        "PASS",
        "PWD",
        "CREDENTIAL",
        "CREDENTIALS",
        "CREDS",
        "PAT",
        "JWT",
        "BEARER",
        "APIKEY",
        "AUTHTOKEN",
        "ACCESSTOKEN",
        "ACCESSKEY",
        "SECRETKEY",
        "PRIVATEKEY",
        "PGPASSWORD",
        "SSHPASS",
    ]
)
"""Words that make a variable's name one of a secret."""
LAST = frozenset({"AUTH", "OAUTH"})
"""Those that do as the last word only: ``NPM_AUTH`` is a secret, ``SSH_AUTH_SOCK`` is not."""
KEYS = frozenset({"KEY", "KEYS"})
"""Those that mean other things as well: a value that is one word of letters, or short, is none there."""
OPEN = frozenset({"PUBLIC", "PUB", "FINGERPRINT"})
"""Words by which a key is one that everybody may know."""
OPENPGP = frozenset({"GPG", "PGP"})
"""Words by which a key may be given by its fingerprint, which everybody may know: ``GPG_KEY`` of Python's official images."""

NEVER = frozenset({"PWD", "OLDPWD", "KVMDOCS_SECRETS_VARIABLES", "KVMDOCS_SECRETS_EXEMPT"})

TRIVIAL = frozenset(
    [
        "true",
        "false",
        "none",
        "null",
        "default",
        "enabled",
        "disabled",
        "enable",
        "disable",
        "always",
        "never",
        "required",
        "optional",
        "production",
        "development",
        "secret",
        "secrets",
        "password",
        "passwd",
        "token",
        "credentials",
        "example",
        "unknown",
    ]
)
"""Values that say nothing."""

LEAST = 6
"""Characters of the shortest secret; of one that a project names itself, `LEAST_NAMED`."""
LEAST_NAMED = 4
LEAST_KEY, PLAIN_KEY = 8, 16
"""Characters of the shortest key, and of the shortest that is letters only or digits only."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\"]+")
_FINGERPRINT = re.compile(r"(?:0x)?(?:[0-9A-Fa-f]{4}\s*){2,16}")


def secret_values(environ: Mapping[str, str], variables: Iterable[str] = (), exempt: Iterable[str] = ()) -> dict[str, str]:
    """The secrets in an environment, each with what is shown instead.

    Args:
        environ: The whole environment.
        variables: Further names of variables whose values are secret; ``*`` stands for any text.
        exempt: Names of variables whose values are not.
    """
    more, less = list(variables), list(exempt)
    found: dict[str, str] = {}
    for name, value in environ.items():
        if name in NEVER or _one_of(name, less):
            continue
        named = _one_of(name, more)
        parts = [value.strip()] if named or is_secret(name, value) else []
        for part in [*parts, *_passwords(value), *_in_json(value), *(value[start:end] for start, end in known(value))]:
            # Of a key in several lines each is one: a program may indent them.
            for text in (part, *(line.strip() for line in part.splitlines() if not line.startswith("-----"))):
                if len(text) >= (LEAST_NAMED if named else LEAST) and text.lower() not in TRIVIAL and text not in MASK:
                    found[text] = MASK
    return found


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable is one whose value is secret, unless settings say otherwise.

    Args:
        name: Its name.
        value: Its value, which may show that it is none after all.
    """
    words = [word.upper() for word in _WORD.findall(name)]
    text = value.strip()
    if name in NEVER or (text.startswith(("/", "~/")) and os.path.exists(os.path.expanduser(text))):
        return False
    if not WORDS.isdisjoint(words) or (words and words[-1] in LAST):
        return True
    if KEYS.isdisjoint(words) or not OPEN.isdisjoint(words):
        return False
    least = PLAIN_KEY if text.isalpha() or text.isdecimal() else LEAST_KEY
    if value and len(text) < least:
        return False
    return OPENPGP.isdisjoint(words) or not _FINGERPRINT.fullmatch(text)


def _one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.upper(), pattern.upper()) for pattern in patterns)


def _passwords(value: str) -> Iterator[str]:
    """Passwords within the addresses of a value, as they are written and as they are meant."""
    for address in _ADDRESS.findall(value):
        try:
            password = urlsplit(address).password
        except ValueError:  # no address after all
            continue
        if password:
            yield from {password, unquote(password)}


def _in_json(value: str) -> Iterator[str]:
    """What in a value that is JSON, as registries and clouds have their credentials, is called a secret."""
    if value.lstrip().startswith("{"):
        try:
            yield from _called(json.loads(value))
        except (ValueError, RecursionError):
            return


def _called(data: Any) -> Iterator[str]:
    for name, item in data.items() if isinstance(data, dict) else ():
        if isinstance(item, str):
            if is_secret(name, item):
                yield item
        else:
            yield from _called(item)
    for item in data if isinstance(data, list) else ():
        yield from _called(item)
