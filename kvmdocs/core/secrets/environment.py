"""Secret values in a build's environment: variables with telling names, and passwords in URLs.

A name is judged by its whole words: ``CI_JOB_TOKEN`` is secret, ``TOKENIZERS_PARALLELISM`` and ``GIT_AUTHOR_NAME`` are not.
Values that would only tear holes into pages are not secret (numbers, common words), nor are existing paths, public keys and
fingerprints.
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
"""Words that make a variable secret."""
LAST = frozenset({"AUTH", "OAUTH"})
"""Words that make a variable secret as the last word of its name: ``NPM_AUTH`` is secret, ``SSH_AUTH_SOCK`` is not."""
KEYS = frozenset({"KEY", "KEYS"})
"""Ambiguous words: a value that is short, or a single word of letters, is not secret."""
OPEN = frozenset({"PUBLIC", "PUB", "FINGERPRINT"})
"""Words that mark a key as public."""
OPENPGP = frozenset({"GPG", "PGP"})
"""Words of variables whose key may be given by its public fingerprint, such as ``GPG_KEY`` in Python's official images."""

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
"""Values that carry no information."""

LEAST = 6
"""Smallest length of a secret in characters; for a variable that the project names itself, `LEAST_NAMED`."""
LEAST_NAMED = 4
LEAST_KEY, PLAIN_KEY = 8, 16
"""Smallest length of a key in characters, and of one that is letters only or digits only."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_URL = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\"]+")
_FINGERPRINT = re.compile(r"(?:0x)?(?:[0-9A-Fa-f]{4}\s*){2,16}")


def secret_values(environ: Mapping[str, str], variables: Iterable[str] = (), exempt: Iterable[str] = ()) -> dict[str, str]:
    """Return the secrets in an environment, each with its replacement.

    Args:
        environ: The whole environment.
        variables: Further names of variables whose values are secret; ``*`` matches any text.
        exempt: Names of variables whose values are not secret.
    """
    more, less = list(variables), list(exempt)
    secrets: dict[str, str] = {}
    for name, value in environ.items():
        if name in NEVER or _one_of(name, less):
            continue
        named = _one_of(name, more)
        parts = [value.strip()] if named or is_secret(name, value) else []
        for part in [*parts, *_passwords(value), *_in_json(value), *(value[start:end] for start, end in known(value))]:
            # Each line of a multi-line key is a secret of its own: a program may indent them.
            for text in (part, *(line.strip() for line in part.splitlines() if not line.startswith("-----"))):
                if len(text) >= (LEAST_NAMED if named else LEAST) and text.lower() not in TRIVIAL and text not in MASK:
                    secrets[text] = MASK
    return secrets


def is_secret(name: str, value: str = "") -> bool:
    """Check whether the value of a variable is secret, unless settings say otherwise.

    Args:
        name: Name of the variable.
        value: Its value, which may show that it is not secret after all.
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
    """Yield the passwords in the URLs of a value, as written and decoded."""
    for url in _URL.findall(value):
        try:
            password = urlsplit(url).password
        except ValueError:  # not a valid URL
            continue
        if password:
            yield from {password, unquote(password)}


def _in_json(value: str) -> Iterator[str]:
    """Yield the secrets in a JSON value by their keys. Registries and clouds store credentials like this."""
    if value.lstrip().startswith("{"):
        try:
            yield from _secrets_in(json.loads(value))
        except (ValueError, RecursionError):
            return


def _secrets_in(data: Any) -> Iterator[str]:
    for name, item in data.items() if isinstance(data, dict) else ():
        if isinstance(item, str):
            if is_secret(name, item):
                yield item
        else:
            yield from _secrets_in(item)
    for item in data if isinstance(data, list) else ():
        yield from _secrets_in(item)
