from __future__ import annotations

import polars as pl
import pytest

from learnlab.errors import MappingError
from learnlab.ingest.tiers import own_file, set_tiers, tier_of
from learnlab.models import Tier
from learnlab.store.frames import conform


def own(text: str) -> None:
    own_file().parent.mkdir(parents=True, exist_ok=True)
    own_file().write_text(text)


@pytest.mark.parametrize(
    ("model", "tier"),
    [
        ("claude-haiku-4-5-20251001", "small"),
        ("claude-sonnet-4-5-20250929", "medium"),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "medium"),
        ("claude-opus-4-1", "large"),
        ("gpt-5-mini", "small"),
        ("gpt-5-codex", "medium"),
        ("gpt-4o", "medium"),
        ("gemini-2.5-flash-lite", "small"),
        ("gemini-2.5-pro", "medium"),
        ("deepseek-chat", "small"),
        ("home-made-9b", "unknown"),
        ("", "unknown"),
    ],
)
def test_models_are_told_by_family_then_by_price(model, tier):
    assert tier_of(model) == Tier(tier)


def test_the_users_own_list_wins_and_the_longest_pattern_decides():
    own('[models]\n"home-*" = "small"\n"home-made-9*" = "large"\n"Claude-Opus-*" = "medium"\n')
    assert tier_of("home-made-9b") == Tier.LARGE
    assert tier_of("home-brewed") == Tier.SMALL
    assert tier_of("claude-opus-4-1") == Tier.MEDIUM
    assert tier_of("claude-haiku-4-5") == Tier.SMALL


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[models\n", "cannot be read: .*line 1"),
        ('[models]\na = "huge"\n', "the tier of 'a' is 'huge', not one of small, medium, large, unknown"),
        ('[tiers]\na = "small"\n', "'tiers' is not known; write .models."),
        ("models = 3\n", "models is 3, not a table"),
        ("[models]\na = 1\n", "the tier of 'a' is 1"),
    ],
)
def test_a_wrong_list_says_where_and_what_to_do(text, says):
    own(text)
    with pytest.raises(MappingError, match=rf"tiers\.toml.*{says}"):
        tier_of("a")


def test_a_store_learns_the_tiers_of_its_models_and_keeps_what_a_mapping_said(store, make_frame):
    def known() -> dict[str, str]:
        return dict(store.sql("select model, tier from model_tiers").rows())

    names = ["claude-opus-4-1", "gpt-4o", "home-made-9b"]
    frame = make_frame(3).with_columns(model=pl.Series(names), model_tier=pl.lit("unknown"))
    store.add(conform(frame)[0].drop("row"))
    store.set_tiers({"gpt-4o": "large"})
    set_tiers(store)
    assert known() == {"claude-opus-4-1": "large", "gpt-4o": "large"}
    own('[models]\n"gpt-4*" = "small"\n"home-made-*" = "medium"\n')
    set_tiers(store)
    assert known() == {"claude-opus-4-1": "large", "gpt-4o": "small", "home-made-9b": "medium"}
