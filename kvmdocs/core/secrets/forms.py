"""Secrets recognised by their form: private keys, tokens of well-known services, passwords in URLs.

Only forms that hardly anything else has are listed, because a page must not lose other text. They are the ones on which the
services' documentation and the scanners gitleaks and trufflehog agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

_KEY = r"(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?"
_LINES = r"(?:[A-Za-z0-9+/=]{16,}|\s|\\[nr])+"
_REAL = r"(?![$<{*%\[])"
"""Negative lookahead for the beginning of a placeholder or a variable (``user:$PASSWORD@``)."""

# Hints that a form may occur, and its pattern, in which the group is the secret. One search for all hints is cheaper than
# all patterns.
_FORMS = tuple(
    (hints.split(), re.compile(form, re.ASCII))
    for hints, form in (
        # A private key in PEM or OpenPGP armour: complete, without its end, without its beginning.
        ("PRIVATE", rf"(-----BEGIN {_KEY}-----(?:[^-]*(?:-(?!----)[^-]*)*-----END {_KEY}-----|{_LINES}))"),
        ("PRIVATE", rf"((?:[A-Za-z0-9+/=]{{16,76}}(?:\s|\\[nr])+)+-----END {_KEY}-----)"),
        ("ghp_ gho_ ghu_ ghs_ ghr_", r"\b(gh[pousr]_[A-Za-z0-9]{36,255})"),
        ("github_pat_", r"\b(github_pat_\w{22,255})"),
        (
            "glpat- glagent- glcbt- gldt- glffct- glimt- gloas- glptt- glrt- glrtr- glsoat-",
            r"\b(gl(?:agent|cbt|dt|ffct|imt|oas|pat|ptt|rtr?|soat)-[\w.-]{20,300})",
        ),
        ("AKIA ASIA ABIA ACCA A3T", r"\b((?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16})\b"),
        (
            "ccess_key ccessKey CCESS_KEY ession_token essionToken ESSION_TOKEN",
            r"(?i:secret_?access_?key|session_?token)\W{1,8}?([A-Za-z0-9/+]{40,}={0,2})",
        ),
        ("eyJ", r"\b(eyJ[\w-]{5,}\.eyJ[\w-]{5,}\.[\w-]*)"),
        ("xox xapp-", r"\b(xox[abeoprs]-[\w-]{10,250}|xapp-\d-[\w-]{20,250})"),
        ("hooks.slack", r"hooks\.slack\.com/services/([\w/]{30,100})"),
        ("AIza ya29. GOCSPX-", r"\b(AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{28})"),
        ("k_live_ k_prod_ k_test_ whsec_", r"\b([rs]k_(?:live|prod|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{24,})"),
        ("sk-ant- sk-proj- sk-svcacct- sk-admin-", r"\b(sk-(?:ant|proj|svcacct|admin)-[\w-]{20,})"),
        ("npm_ pypi-AgE hf_ dckr_", r"\b(npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,}|hf_[A-Za-z0-9]{34}|dckr_[op]at_[\w-]{27,})"),
        ("SG. _v1_ hvs. hvb.", r"\b(SG\.[\w-]{16,32}\.[\w-]{16,64}|do[opr]_v1_[a-f0-9]{64}|hv[bs]\.[\w-]{24,})"),
        ("AGE-SECRET ATATT3 tskey-", r"(AGE-SECRET-KEY-1[0-9A-Z]{58}|ATATT3[\w=-]{100,}|tskey-[a-z]+-[\w-]{16,})"),
        ("AccountKey=", r"AccountKey=([A-Za-z0-9+/]{86}==)"),
        ("://", rf"://[^\s/@:'\"<>]{{0,100}}:{_REAL}([^\s/@'\"]{{1,300}})@"),
        ("uthorization: UTHORIZATION:", r"(?i:authorization:\s*(?:basic|bearer|token)\s+)([\w+/=.~-]{8,})"),
    )
)


def _any_of(words: list[str]) -> str:
    """Return a regular expression for any of some words, none of which begins another.

    Common prefixes are factored out, which makes it three times as fast.
    """
    if len(words) == 1:
        return re.escape(words[0])
    branches = [
        re.escape(first) + _any_of([word[1:] for word in group]) for first, group in groupby(words, lambda word: word[0])
    ]
    return f"(?:{'|'.join(branches)})"


_HINTS = re.compile(_any_of(sorted({hint for hints, _ in _FORMS for hint in hints})))

KEY_BEGINS, KEY_ENDS = "-----BEGIN ", "-----END "
"""Beginning and end of a private key, the only form with many lines."""


def known(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each secret in a text that is recognised by its form."""
    hinted = {match[0] for match in _HINTS.finditer(text)}
    for hints, form in _FORMS if hinted else ():
        if not hinted.isdisjoint(hints):
            yield from (match.span(1) for match in form.finditer(text))
