from __future__ import annotations

import json
import re
import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from learnlab.secrets import IDENTIFIERS, PATTERNS, mask_frame, mask_text
from learnlab.settings import settings

LONG = "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA2cD4fG6hJ8kL0"
"""Letters and digits of no meaning, as keys are made of."""

PLANTED = {
    "private key": [
        f"-----BEGIN RSA PRIVATE KEY-----\n{LONG}\n-----END RSA PRIVATE KEY-----",
        f"‹-----BEGIN PRIVATE KEY-----\\n{LONG}\\n-----END PRIVATE KEY-----›\\n",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{LONG}{LONG}",
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x-1\n\n{LONG}\n-----END PGP PRIVATE KEY BLOCK-----",
    ],
    "Anthropic key": [f"sk-ant-api03-{LONG}-_AA"],
    "OpenAI key": [f"sk-proj-{LONG}_-x"],
    "API key": [f"sk-{LONG}", f"sk-or-v1-{LONG}"],
    "AWS key": ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"],
    "AWS secret key": [f"aws_secret_access_key = ‹{LONG[:40]}›", f'"SecretAccessKey": "‹{LONG[:40]}›"'],
    "GitHub token": [f"ghp_{LONG[:36]}", f"gho_{LONG[:36]}", f"ghs_{LONG[:36]}", f"github_pat_{LONG}"],
    "GitLab token": ["glpat-aB3dE5gH7jK9mN1pQ3sT"],
    "Slack token": ["xoxb-123456789012-aB3dE5gH7j", f"hooks.slack.com/services/T0AB1/B0CD2/{LONG[:24]}"],
    "Google key": [f"AIza{LONG[:35]}", f"ya29.{LONG}", f"GOCSPX-{LONG[:28]}"],
    "Stripe key": [f"sk_live_{LONG[:24]}", f"rk_live_{LONG[:24]}", f"whsec_{LONG[:32]}"],
    "npm token": [f"npm_{LONG[:36]}"],
    "PyPI token": [f"pypi-AgEIcHlwaS5vcmc{LONG}"],
    "Hugging Face token": [f"hf_{LONG[:34]}"],
    "service token": [f"gsk_{LONG}{LONG[:10]}", f"SG.{LONG[:22]}.{LONG}", f"dckr_pat_{LONG[:27]}"],
    "JWT": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1g"],
    "credential": [
        "Authorization: Basic ‹dXNlcjpwYXNz›",
        "authorization: bearer ‹abc.def-12›",
        f"Bearer ‹{LONG}›",
    ],
    "password": [
        "postgres://app:‹h0rse99›@db:5432/x",
        "https://u:‹p@ss›@host.example/x",
        r"https:\/\/u:‹horse›@h\/",
    ],
    "secret": [
        "DB_PASSWORD=‹hunter2hunter2›",
        "api_key: '‹q1w2e3r4t5›'",
        'client-secret = "‹aaaa1bbbb2›"',
        "&access_token=‹q1w2e3r4t5›&x=1",
        '{"apiKey": "‹q1w2e3r4t5›"}',
        "passwd := ‹Tr!ckyOne›",
    ],
    "e-mail": ["ada@example.org", "grace.hopper+x@mail.example.co.uk", "jürgen@exämple.de", "li@163.com"],
}
"""Secrets of each kind as they stand in texts, what must be gone between ‹ and › where it is not all of it."""

EVERY = [
    (kind, secret.replace("‹", "").replace("›", ""), re.sub("^.*‹|›.*$", "", secret, flags=re.DOTALL))
    for kind, secrets in PLANTED.items()
    for secret in secrets
]

KEPT = [
    "123e4567-e89b-12d3-a456-426614174000",
    "commit ba84432f1d0c9b8a7e6f5d4c3b2a190817263544",
    f"requests==2.32.0 --hash=sha256:{'0f' * 32}",
    f'integrity "sha512-{LONG}=="',
    f"data:image/png;base64,iVBORw0KGgo{LONG}/+==",
    "git@github.com:org/repo.git",
    "ada@laptop:/srv/data",
    "@pytest.mark.parametrize('x', [1])",
    "react@18.2.0, @types/node@20.1.0-rc.next, actions/checkout@v4",
    "icon@2x.png",
    "token = get_token2()",
    "token = self.tokens2.next",
    "password = os.environ['DB_PASSWORD_2']",
    "password=${DB_PASSWORD1}",
    "password: process.env.DB_PASS1",
    "api_key=my_api_key_2",
    "max_tokens: 4096, total_tokens: 128000, n_tokens=a1b2c3d4",
    "tokenizer: gpt2-medium-v1",
    "token_type: urn-ietf-1x",
    "secret_file = conf2/secrets.json",
    "https://user:${TOKEN}@host/, https://user:<password>@host/",
    "http://localhost:8080/a@b",
    "Bearer tokens are explained in the manual",
    "use -----BEGIN PRIVATE KEY----- as the first line",
    "sk-folding-cube-container-of-the-spinner",
    "AKIAshort, ghp_short, hf_hub_download, npm_config_registry",
    "a list[masked e-mail] of what [masked AWS key] leaves",
]


@pytest.mark.parametrize(
    ("kind", "secret", "hidden"), EVERY, ids=[f"{kind} {n}" for n, (kind, *_) in enumerate(EVERY)]
)
def test_every_kind_is_masked_by_its_name_and_nothing_else(kind, secret, hidden):
    masked, n = mask_text(f"before {secret} after")
    assert n == 1
    assert masked == f"before {secret.replace(hidden, f'[masked {kind}]')} after"
    assert mask_frame(pl.DataFrame({"x": [f"before {secret} after"]}), ["x"])[0]["x"].to_list() == [masked]


def test_every_pattern_has_a_planted_secret():
    assert set(PLANTED) == {pattern.name for pattern in PATTERNS}


@pytest.mark.parametrize("text", KEPT)
def test_what_looks_like_a_secret_but_is_none_stays(text):
    assert mask_text(text) == (text, 0)


def test_the_address_of_a_copy_between_machines_counts_as_an_e_mail():
    assert mask_text("scp deploy@srv.example.com:/srv x") == ("scp [masked e-mail]:/srv x", 1)


@hypothesis_settings(max_examples=40)
@given(st.text(max_size=30), st.sampled_from(EVERY), st.text(max_size=30))
def test_no_surrounding_text_saves_a_secret(before, planted, after):
    _, secret, hidden = planted
    masked, n = mask_text(f"{before} {secret} {after}")
    assert n >= 1
    assert hidden not in masked
    assert mask_text(masked) == (masked, 0)


FRAGMENTS = st.sampled_from(
    [secret for _, secret, _ in EVERY] + KEPT + list('\\"[]{}:=@. \n') + ["://", "eyJ", "masked", "é", "\\n"]
)


@hypothesis_settings(max_examples=40)
@given(st.lists(FRAGMENTS, max_size=8).map("".join))
def test_masking_twice_changes_nothing_more(text):
    once, _ = mask_text(text)
    assert mask_text(once) == (once, 0)


LEAVES = st.none() | st.booleans() | st.integers() | st.lists(FRAGMENTS, max_size=3).map("".join)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FRAGMENTS, inner, max_size=3),
    max_leaves=6,
)


def shape(value):
    """Return a JSON value without what its texts say."""
    if isinstance(value, dict):
        return [shape(inner) for inner in value.values()]
    if isinstance(value, list):
        return [None, *map(shape, value)]
    return "" if isinstance(value, str) else value


@hypothesis_settings(max_examples=40)
@given(st.dictionaries(st.sampled_from("abc"), JSON, max_size=3), st.booleans())
def test_json_stays_json_of_the_same_shape(value, is_ascii):
    text = json.dumps(value, ensure_ascii=is_ascii)
    keys_stay = not mask_text(json.dumps(list_of_keys(value)))[1]
    masked, n = mask_text(text)
    read = json.loads(masked)
    assert not keys_stay or shape(read) == shape(value)
    assert (n == 0) == (masked == text)
    assert mask_text(masked) == (masked, 0)


def list_of_keys(value):
    """Return every key of a JSON value."""
    if isinstance(value, dict):
        return [*value, *(key for inner in value.values() for key in list_of_keys(inner))]
    return [key for inner in value for key in list_of_keys(inner)] if isinstance(value, list) else []


def test_json_inside_json_is_masked_where_it_stands():
    inner = json.dumps({"password": "q1w2e3r4t5", "note": "\nada@example.org"})
    masked, n = mask_text(json.dumps({"content": inner, "n": 1.50}))
    assert n == 2
    assert json.loads(json.loads(masked)["content"]) == {
        "password": "[masked secret]",
        "note": "\n[masked e-mail]",
    }


def test_a_frame_keeps_its_rows_nulls_and_other_columns():
    frame = pl.DataFrame(
        {"a": [None, "ada@example.org", "clean"], "b": ["ada@example.org"] * 3, "n": [1, 2, 3]}
    )
    masked, n = mask_frame(frame, ["a"])
    assert n == 1
    assert masked.rows() == [
        (None, "ada@example.org", 1),
        ("[masked e-mail]", "ada@example.org", 2),
        ("clean", "ada@example.org", 3),
    ]
    assert frame["a"].to_list() == [None, "ada@example.org", "clean"]


@pytest.mark.parametrize("column", IDENTIFIERS)
def test_different_identifiers_stay_different_and_equal_ones_equal(column):
    people = [f"person{n}@example.org" for n in range(200)] * 2
    masked, n = mask_frame(pl.DataFrame({column: people}), [column])
    assert n == 400
    assert masked[column].n_unique() == 200
    assert masked[column].str.contains("person").sum() == 0
    assert mask_frame(masked, [column])[1] == 0


def test_nothing_is_masked_where_the_setting_is_off(monkeypatch):
    monkeypatch.setenv("LEARNLAB_MASK_SECRETS", "false")
    settings.cache_clear()
    frame = pl.DataFrame({"a": ["ada@example.org"]})
    assert mask_text("ada@example.org") == ("ada@example.org", 0)
    assert mask_frame(frame, ["a"]) == (frame, 0)


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "-----BEGIN PRIVATE KEY-----",
        "sk-a-",
        "eyJ",
        "a.eyJ",
        "a@a.",
        "://a:",
        "password=",
        "secret: ",
        '"',
        "é@é.",
    ],
)
def test_no_text_takes_longer_than_its_length_allows(unit):
    """A pattern that goes back over a text would need hours for half a megabyte."""
    begin = time.process_time()
    mask_text(unit * (500_000 // len(unit)))
    assert time.process_time() - begin < 20
