from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from learnlab.ingest.pricednames import priced_model
from learnlab.ingest.prices import price_of, price_version

AT = datetime(2026, 1, 1)
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "used", "dollars"),
    [
        # Claude Opus 4.5: 5 in, 0.5 read, 6.25 written, 10 written for an hour, 25 out, a million each.
        ("claude-opus-4-5-20251101", (MILLION, 0, 0, 0), 5.0),
        ("claude-opus-4-5-20251101", (MILLION, MILLION, 0, 0), 0.5),
        ("claude-opus-4-5-20251101", (MILLION, 0, MILLION, 0), 6.25),
        ("claude-opus-4-5-20251101", (MILLION, 0, MILLION, 0, MILLION), 10.0),
        ("claude-opus-4-5-20251101", (MILLION, 0, MILLION, 0, 400_000), 7.75),
        ("claude-opus-4-5-20251101", (0, 0, 0, MILLION), 25.0),
        ("claude-opus-4-5-20251101", (4 * MILLION, MILLION, MILLION, MILLION), 2 * 5 + 0.5 + 6.25 + 25),
        # GPT-4o: 2.5 in, 1.25 read, 10 out; what is written to its cache is plain input.
        ("gpt-4o", (3 * MILLION, MILLION, MILLION, MILLION), 2 * 2.5 + 1.25 + 10),
        # Gemini 2.5 Pro: 1.25 in and 10 out up to 200,000 tokens of context, 2.5 and 15 beyond, for all of them.
        ("gemini-2.5-pro", (200_000, 0, 0, 100_000), 0.25 + 1.0),
        ("gemini-2.5-pro", (200_001, 0, 0, 100_000), 0.5000025 + 1.5),
    ],
)
def test_prices_are_those_that_were_worked_out_by_hand(model, used, dollars):
    inputs, read, written, out, *hour = used
    assert price_of(model, None, AT, inputs, read, written, out, *hour) == pytest.approx(dollars, abs=1e-9)


def test_the_price_is_that_of_the_day():
    before, after = datetime(2025, 6, 9), datetime(2025, 6, 11)
    assert price_of("o3", None, before, MILLION) == 10.0
    assert price_of("o3", None, after, MILLION) == 2.0


MODELS = [
    ("claude-opus-4-5", None),
    ("claude-sonnet-4-5", None),
    ("claude-sonnet-4-20250514", None),
    ("claude-3-5-haiku-20241022", None),
    ("gpt-4o-mini", None),
    ("gpt-5", None),
    ("gpt-5.1-codex-max", None),
    ("o3", None),
    ("gemini-2.5-pro", None),
    ("gemini-2.5-flash", None),
    ("deepseek-chat", None),
    ("deepseek-reasoner", None),
    ("grok-4", None),
    ("kimi-k2", None),
    ("mistral-large-latest", None),
    ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws"),
    ("anthropic/claude-sonnet-4.5", "openrouter"),
    ("sonar-pro", "perplexity"),
]
COUNTS = st.integers(0, 150_000) | st.sampled_from([0, 1, 100_000, 200_000, 200_001, 272_001])


@hypothesis_settings(max_examples=40)
@given(
    st.sampled_from(MODELS),
    st.integers(0, 3 * 365 * 24 * 60),
    st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
)
def test_prices_are_those_of_calc_price(named, minutes, counts):
    model, provider = named
    at = datetime(2024, 1, 1) + timedelta(minutes=minutes)
    fresh, read, short, hour, out = counts
    usage = {"cache_read_tokens": read, "cache_write_tokens": short + hour, "output_tokens": out}
    own = price_of(model, provider, at, fresh + read + short + hour, cache_write_1h_tokens=hour, **usage)
    theirs = calc_price(
        Usage(input_tokens=fresh + read + short + hour, cache_write_1h_tokens=hour, **usage),
        model,
        provider_id=provider,
        genai_request_timestamp=at.replace(tzinfo=UTC),
    )
    assert own == pytest.approx(float(theirs.total_price), rel=1e-9, abs=1e-11)


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("claude-sonnet-4-5-20250929[1m]", "claude-sonnet-4-5"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet"),
        ("claude-opus-4-1@20250805", "claude-opus-4-1"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        (
            "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
            "regional.anthropic.claude-3-5-sonnet-20241022-v2:0",
        ),
        (
            "bedrock/eu.anthropic.claude-3-haiku-20240307-v1:0",
            "regional.anthropic.claude-3-haiku-20240307-v1:0",
        ),
        ("openai/gpt-4o", "gpt-4o"),
        ("azure/gpt-4o", "gpt-4o"),
        ("GPT-4O", "gpt-4o"),
        ("ft:gpt-4o-mini-2024-07-18:org::a1", None),
        ("gpt-5-codex", "gpt-5"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("gemini/gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
        ("openrouter/anthropic/claude-sonnet-4", "anthropic/claude-sonnet-4"),
        ("deepseek/deepseek-chat", "deepseek-chat"),
    ],
)
def test_names_are_read_as_logs_write_them(name, means):
    found = priced_model(name)
    assert (found and found.id) == means


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "/", "nonsense", "<synthetic>", "human", "model", "claude", "gpt", "gemini", "o", "opus", "sonnet",
        "claude-99-ultra", "claude-opus-4-99", "claude-sonnet-4-55", "claude-opus-4-5-banana", "claude-opus-4-6-fast",
        "claude-3-opus-clone", "not-claude-opus-4-5", "gpt-99", "gpt-4omg", "my-gpt-4o", "gpt-4o-2099-01-01",
        "gemini-2.5-proton", "gemini-2.5-pro-nonsense", "mycompany/gpt-4o", "mockllm/model", "xo3", "🦊",
        "models/" * 500, "a" * 100_000, "us.anthropic.", "arn:aws:bedrock:", "[1m]",
    ],
)  # fmt: skip
def test_a_name_that_means_nothing_for_certain_has_no_price(name):
    assert priced_model(name) is None
    assert price_of(name, None, AT, MILLION) is None


@pytest.mark.parametrize("provider", ["nobody", "openai", "", "x" * 10_000])
def test_a_wrong_provider_does_not_change_the_model(provider):
    assert price_of("claude-opus-4-5", provider, AT, MILLION) == 5.0


@hypothesis_settings(max_examples=40)
@given(st.sampled_from([name for name, _ in MODELS]), st.from_regex("[a-z]{3,9}", fullmatch=True))
def test_another_word_makes_another_model(name, word):
    other = f"{name}-{word}x"
    assert priced_model(other) is None


def test_what_does_not_add_up_has_no_price():
    assert price_of("gpt-4o", None, None, 10) is None
    assert price_of("gpt-4o", None, AT, 10, 11) is None
    assert price_of("gpt-4o", None, AT, 10, 6, 6) is None
    assert price_of("claude-opus-4-5", None, AT, 10, 0, 5, 0, 6) is None


def test_no_price_is_fetched_and_the_table_is_named(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert price_of("claude-haiku-4-5", None, AT, MILLION) == 1.0
    assert price_version().startswith("genai-prices ")


def test_a_hundred_thousand_uses_are_priced_in_a_moment():
    begin = time.process_time()
    for n in range(100_000):
        price_of("claude-opus-4-5-20251101", "anthropic", AT, 1_000 + n, 500, 100, 50)
    assert time.process_time() - begin < 8
