"""Secrets in texts: what is recognised, and how it is masked (listed in docs/decisions/0015-secrets.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

import polars as pl
from pydantic_core import SchemaValidator, core_schema

from learnlab.lenient import storable
from learnlab.settings import settings

IDENTIFIERS = (
    "task_group", "session_id", "external_id", "agent", "repo", "model", "pool_type", "task_type", "source",
)  # fmt: skip
"""The columns whose values tell things apart: there a mask carries a hash, so that different values stay so."""

_KEY = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret|token|credential|(?:api|access|account|private|secret|signing|encryption)"
    r"[_-]?key)"
)
_KEY_END = r"(?![_-]?(?:name|file|path|ur[li]|type|ref|env|count|limit)s?(?![a-z]))(?:[_-][a-z0-9_-]{1,20})?(?![a-z0-9])"
_SIGN = r"[\\\"'\]]{0,4}\s{0,4}(?::=|=>|=|:)\s{0,4}(?:[rbfu]?\\{0,3}[\"'`])?"
_WORDS = re.compile(r"[A-Za-z_$@][\w$-]*(?:\??\.[A-Za-z_$][\w$-]*)+|[./~][\w./~-]*|[A-Za-z][\w+.-]*://.*")


def _is_random(value: str) -> bool:
    """Return whether a value has letters and digits, or letters and signs that names do not have."""
    has_letter = re.search("[A-Za-z]", value) is not None
    return has_letter and re.search(r"[0-9!@#%^*?+~]", value) is not None


def _is_secret(value: str) -> bool:
    """Return whether a whole JSON text, the value of a password or key, looks like one."""
    return re.fullmatch(r"(?!\[masked )\S{8,}", value) is not None and _is_random(value)


def _is_assigned(found: re.Match[str]) -> bool:
    """Return whether what an assignment gives is a secret: random, and no name, path, address or call."""
    value, key = found["secret"], re.sub("[_-]", "", found["key"].lower())
    if not _is_random(value):
        return False
    if found["sign"][-1] in "\"'`":
        return True
    return not _WORDS.fullmatch(value) and key not in re.sub("[_-]", "", value.lower())


def _is_credential(found: re.Match[str]) -> bool:
    return re.search("[0-9]|[a-z][A-Z]", found["secret"]) is not None


def _is_address(found: re.Match[str]) -> bool:
    return found["local"] != "git"


class Pattern(NamedTuple):
    """One kind of secret: its name, what it is, where it may be, and exactly what is masked.

    `hint` is a Rust regular expression that finds every text with such a secret, and others; `regex` finds the
    secret itself, its group `secret` where there is one, and `is_one` may still refuse it. No regular
    expression looks at any character more than a few times, whatever the text.
    """

    name: str
    says: str
    hint: str
    regex: re.Pattern[str]
    is_one: Callable[[re.Match[str]], bool] = lambda found: True


def _prefixed(name: str, says: str, regex: str) -> Pattern:
    """Return the pattern of a secret that is known by how it begins; the same expression is its hint."""
    return Pattern(name, says, regex, re.compile(regex))


_HEAD = "-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"

PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "private key",
        "a PEM or PGP block from BEGIN to END, or as far as it goes; line ends may be written as \\n",
        _HEAD,
        re.compile(
            rf"{_HEAD}(?:(?:[^-]++|-(?!----))*+-----END [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----"
            r"|(?:[^-]{0,24}?[A-Za-z0-9+/]{40,}+={0,2})+)"
        ),
    ),
    _prefixed("Anthropic key", "sk-ant-…", "sk-ant-[A-Za-z0-9_-]{20,}"),
    _prefixed(
        "OpenAI key", "sk-proj-…, sk-svcacct-…, sk-admin-…", "sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}"
    ),
    Pattern(
        "API key",
        "sk-… of OpenAI, OpenRouter, DeepSeek and others",
        "sk-(?:[a-z0-9]{1,12}-){0,3}[A-Za-z0-9_]{20}",
        re.compile("(?<![A-Za-z0-9])sk-(?:[a-z0-9]{1,12}-){0,3}[A-Za-z0-9_]{20,}"),
    ),
    _prefixed("AWS key", "AKIA… and ASIA…, twenty characters", "(?:AKIA|ASIA)[A-Z0-9]{16}"),
    Pattern(
        "AWS secret key",
        "what a secret access key is set to, forty characters",
        r"(?i:secret_?access_?key)[^A-Za-z0-9/+]{1,16}[A-Za-z0-9/+]{40}",
        re.compile(r"(?i:secret_?access_?key)[^A-Za-z0-9/+\[]{1,16}(?P<secret>[A-Za-z0-9/+]{40,})"),
    ),
    _prefixed(
        "GitHub token",
        "ghp_…, gho_…, ghu_…, ghs_…, ghr_… and github_pat_…",
        "gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}",
    ),
    _prefixed(
        "GitLab token",
        "glpat-… and its relatives (gldt-, glrt-, glcbt-, glptt-)",
        r"gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9]{2,})*",
    ),
    _prefixed(
        "Slack token",
        "xoxb-…, xoxp-… and their relatives, xapp-…, and the path of a webhook",
        "xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}|hooks[.]slack[.]com/services/[A-Za-z0-9/]{20,}",
    ),
    _prefixed(
        "Google key",
        "AIza… (API key), ya29.… (access token), GOCSPX-… (client secret)",
        "AIza[A-Za-z0-9_-]{35}|ya29[.][A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{28}",
    ),
    _prefixed(
        "Stripe key",
        "sk_live_…, rk_live_…, the same with test, and whsec_…",
        "[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9]{24,}",
    ),
    _prefixed("npm token", "npm_…", "npm_[A-Za-z0-9]{36,}"),
    _prefixed("PyPI token", "pypi-…", "pypi-[A-Za-z0-9_-]{50,}"),
    _prefixed("Hugging Face token", "hf_…", "hf_[A-Za-z0-9]{30,}"),
    _prefixed(
        "service token",
        "Groq gsk_, xAI xai-, SendGrid SG., DigitalOcean do?_v1_, Docker dckr_pat_, Linear lin_api_, Vault hvs.",
        r"gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{60,}|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}"
        r"|do[opr]_v1_[a-f0-9]{64}|dckr_pat_[A-Za-z0-9_-]{20,}|lin_api_[A-Za-z0-9]{32,}|hvs\.[A-Za-z0-9_-]{24,}",
    ),
    Pattern(
        "JWT",
        "a JSON web token: header.payload.signature, the payload beginning with eyJ",
        r"[A-Za-z0-9_-]\.eyJ[A-Za-z0-9_-]{8}",
        re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    ),
    Pattern(
        "credential",
        "what follows Bearer, Basic or Token in an Authorization header, and Bearer elsewhere",
        r"(?i:bearer|authorization[^A-Za-z0-9]{1,12}(?:basic|token))[ \t]{1,4}[A-Za-z0-9+/=_.~-]{8}",
        re.compile(
            r"(?i:bearer|authorization[^A-Za-z0-9\[]{1,12}(?:basic|token))[ \t]{1,4}"
            r"(?P<secret>[A-Za-z0-9+/=_.~-]{8,})"
        ),
        _is_credential,
    ),
    Pattern(
        "password",
        "the password of an address scheme://user:password@host",
        r":(?:\\?/){2}[^\s/@]*:[^\s/]+@",
        re.compile(r":(?:\\?/){2}[^\s/:@\"'`<>]*+:(?![$<{*%\[])(?P<secret>[^\s/\"'`<>\\]+)@"),
    ),
    Pattern(
        "secret",
        "a value that looks random, assigned to a password, secret, token, credential or key",
        rf"(?i:{_KEY}(?:[_-][a-z0-9_-]{{1,20}})?)[\\\"'\]]{{0,4}}\s{{0,4}}(?::=|=>|=|:)\s{{0,4}}\S*[0-9!@#%^*?+~]",
        re.compile(
            rf"(?i:(?P<key>{_KEY}){_KEY_END})(?P<sign>{_SIGN})"
            r"(?P<secret>[^\s\"'`\\,;&<>(){}\[\]$|=]{8,}+={0,2})(?![(\[{$])"
        ),
        _is_assigned,
    ),
    Pattern(
        "e-mail",
        "an e-mail address",
        r"[^\s@]@[^\s@]+\.[^\s@]{2}",
        re.compile(
            r"(?<![\w.%+-])(?P<local>[\w.%+-]++)@(?!\d+x?\.\d|\d+x\.)[^\W_][\w-]*+(?:\.[\w-]++)*\.[^\W\d_]{2,}"
        ),
        _is_address,
    ),
)
"""Everything that is masked, in the order in which it is looked for."""

_HINT = "|".join(f"(?:{pattern.hint})" for pattern in PATTERNS)
_HINTED = SchemaValidator(core_schema.str_schema(pattern=_HINT))
"""The hints for one text: the same kind of expression as in polars, without its threads."""

_LITERAL = re.compile(r'"(?:[^"\\]++|\\.)*+"')
_ASSIGNED = re.compile(rf"(?i:{_KEY}{_KEY_END})\Z")


def mask_text(text: str, column: str = "") -> tuple[str, int]:
    """Return a text with its secrets masked, and how many there were; JSON stays JSON.

    `column` is where the text is to stand: `mask_frame` would mask it alike there. Nothing is masked where
    the setting `mask_secrets` is off.

    >>> mask_text("mail ada@example.org, key AKIAIOSFODNN7EXAMPLE")
    ('mail [masked e-mail], key [masked AWS key]', 2)
    """
    return _masked(text, column in IDENTIFIERS) if may_hold_secrets(text) else (text, 0)


def may_hold_secrets(text: str) -> bool:
    """Return whether a text has what `mask_frame` looks for before it looks closer, and anything is masked at all.

    Takes about a microsecond for a few hundred characters.

    >>> may_hold_secrets("ask ada@example.org"), may_hold_secrets("ask Ada")
    (True, False)
    """
    if not settings().mask_secrets:
        return False
    return _HINTED.isinstance_python(text) or not (text.isascii() or storable(text) == text)


def showable(text: str) -> str:
    """Return a text as one line that a terminal may show: secrets masked (always), control characters replaced.

    >>> showable("a\\x1b[2J\\nada@example.org")
    'a?[2J [masked e-mail]'
    """
    return "".join(
        char if char.isprintable() else "?" for char in " ".join(_masked(text, False)[0].splitlines())
    )


def mask_frame(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, int]:
    """Return a frame with the secrets in some of its text columns masked, and how many there were.

    Rows and nulls stay as they are. In the columns of `IDENTIFIERS` a mask carries a hash of what it hides,
    so that values that differ still differ.

    >>> mask_frame(pl.DataFrame({"repo": ["ada@example.org"]}), ["repo"])[0].item()
    '[masked e-mail cfe00dde46ef]'
    """
    if frame.is_empty() or not settings().mask_secrets:
        return frame, 0
    n_masked, changed = 0, []
    for name in columns:
        column = frame[name]
        hits = column.str.contains(_HINT).fill_null(False).arg_true()
        if hits.is_empty():
            continue
        masked = [_masked(text, name in IDENTIFIERS) for text in column.gather(hits)]
        n_masked += sum(n for _, n in masked)
        changed.append(column.clone().scatter(hits, [text for text, _ in masked]))
    return frame.with_columns(changed), n_masked


def _masked(text: str, is_identifier: bool) -> tuple[str, int]:
    if text.lstrip()[:1] in ("{", "[", '"') and _is_json(text):
        return _masked_json(text, is_identifier)
    return _masked_plain(text, is_identifier)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _masked_json(text: str, is_identifier: bool) -> tuple[str, int]:
    """Mask inside the string literals of a JSON text, keeping all between them."""
    parts, at, n_masked, key = [], 0, 0, ""
    for literal in _LITERAL.finditer(text):
        between = text[at : literal.start()]
        value = json.loads(literal[0])
        masked, n = _masked(value, is_identifier)
        is_value = between.strip() == ":"
        if is_value and n == 0 and _ASSIGNED.search(key) and _is_secret(value):
            masked, n = _mask("secret", value, is_identifier), 1
        key = "" if is_value else value
        parts += [between, json.dumps(masked) if n else literal[0]]
        at, n_masked = literal.end(), n_masked + n
    return ("".join([*parts, text[at:]]), n_masked) if n_masked else (text, 0)


def _masked_plain(text: str, is_identifier: bool) -> tuple[str, int]:
    """Mask until nothing is left to mask: a mask may be the end that another secret was missing."""
    n_masked = 0
    while True:
        n_before = n_masked
        for pattern in PATTERNS:

            def mask(found: re.Match[str], pattern: Pattern = pattern) -> str:
                nonlocal n_masked
                if not pattern.is_one(found):
                    return found[0]
                n_masked += 1
                group = "secret" if "secret" in pattern.regex.groupindex else 0
                begin, end = found.start(group) - found.start(), found.end(group) - found.start()
                hidden = _mask(pattern.name, found[group], is_identifier)
                return found[0][:begin] + hidden + found[0][end:]

            text = pattern.regex.sub(mask, text)
        if n_masked == n_before:
            return text, n_masked


def _mask(name: str, secret: str, is_identifier: bool) -> str:
    if not is_identifier:
        return f"[masked {name}]"
    digest = sha256(secret.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return f"[masked {name} {digest[:12]}]"
