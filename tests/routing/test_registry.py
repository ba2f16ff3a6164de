from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_worlds import TIERS, tasks, tried, world

from learnlab.errors import RoutingError, StoreError
from learnlab.events import Candidate
from learnlab.routing.extra import extra
from learnlab.routing.keeping import kept, registry, weights
from learnlab.routing.keeping.telling import told
from learnlab.routing.keeping.weights import Weights, data_hash, packed, unpacked
from learnlab.routing.reading import Reads
from learnlab.store import Store, migrations, sqlfiles
from learnlab.store.connection import fetch, transaction

TRIES = tried(world(60), np.arange(60) % 3)
KINDS = ("best_single", "lookup", "lookup_by_repo")


def fit(kind: str = "lookup", tries=TRIES):
    return registry.fit_of(kept.new(kind).fit(tries), tries, Reads(encoder_key="words@1"))


def written(store: Store, *fits, decision: str = registry.PROMOTED) -> None:
    with store.writing() as connection, transaction(connection):
        for one in fits:
            registry.keep(connection, one)
            note = {"decision": decision, "in_use": one.router_version, "reason": "a test"}
            registry.note(connection, note)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quality", [TRIES.quality, np.full(60, np.nan), np.ones(60)])
def test_a_router_comes_back_as_it_was(kind, quality):
    tries = replace(TRIES, quality=quality)
    fitted = fit(kind, tries)
    found = unpacked(fitted.weights, kind, data_hash(tries))
    assert (found.name, found.candidates) == (kind, TIERS)
    new = tasks(20, seed=3)
    new = replace(new, known=new.known.with_columns(task_type=new.known["task_type"].replace("docs", "new")))
    before, after = fitted.router.expect(new), found.expect(new)
    for name in ("quality", "quality_error", "cost", "cost_error"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_the_store_keeps_it_with_what_it_learned_from(store):
    fitted = fit()
    written(store, fitted, fitted)
    found = registry.loaded(store)
    assert (found.router_version, found.name, found.n_tries) == (fitted.router_version, "lookup", 60)
    assert (found.reads, found.dimension) == (Reads(encoder_key="words@1"), TRIES.tasks.vectors.shape[1])
    assert (found.learned_until, found.data_hash) == (TRIES.started_at[-1].item(), data_hash(TRIES))
    assert len(registry.routers(store)) == 1


def test_the_same_fit_has_the_same_version_and_another_another():
    assert fit().router_version == fit().router_version
    versions = {fit(kind).router_version for kind in KINDS}
    versions.add(fit(tries=replace(TRIES, cost=TRIES.cost * 2)).router_version)
    versions.add(fit(tries=TRIES.take(np.arange(59))).router_version)
    assert len(versions) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"quality": 1 - TRIES.quality},
        {"cost": TRIES.cost + 1e-9},
        {"propensity": np.full(60, 0.5)},
        {"candidate": TRIES.candidate[::-1].copy()},
        {"started_at": TRIES.started_at + np.timedelta64(1, "us")},
        {"candidates": (*TIERS[:2], Candidate(tier="large", pool="p"))},
        {"tasks": replace(TRIES.tasks, vectors=-TRIES.tasks.vectors)},
        {"tasks": replace(TRIES.tasks, group=TRIES.tasks.group + 1)},
        {
            "tasks": replace(
                TRIES.tasks, known=TRIES.tasks.known.with_columns(repo=TRIES.tasks.known["task_type"])
            )
        },
    ],
)
def test_the_hash_of_tries_is_another_when_anything_is(change):
    assert data_hash(replace(TRIES, **change)) != data_hash(TRIES)
    assert data_hash(replace(TRIES)) == data_hash(TRIES)


def test_of_several_the_one_in_use_is_told(store):
    written(store, fit("lookup"), fit("best_single"))
    written(store, fit("lookup"), decision=registry.ROLLED_BACK)
    table = registry.routers(store)
    assert dict(table.select("name", "is_in_use").rows()) == {"lookup": True, "best_single": False}
    assert registry.promotions(store)["promotion_no"].to_list() == [3, 2, 1]
    assert registry.loaded(store).name == "lookup"
    assert registry.loaded(store, fit("best_single").router_version).name == "best_single"


@pytest.mark.parametrize("name", ["routers", "promotions"])
def test_every_column_of_the_queries_is_described(con, name):
    file = sqlfiles.load("queries", name)
    assert fetch(con, file.text).columns == list(file.columns)


def test_a_store_without_routers(store):
    assert registry.loaded(store) is None
    assert registry.routers(store).is_empty()
    with pytest.raises(RoutingError, match="router sona-1 is not in the store"):
        registry.loaded(store, "sona-1")
    with pytest.raises(StoreError, match="no store 'nowhere'"):
        registry.loaded("nowhere")


def test_routers_go_with_a_copy_and_with_the_schema(store):
    written(store, fit())
    _, copy = migrations.downgrade(store.path, 7)
    migrations.upgrade(store.path)
    assert registry.routers(store).is_empty()
    assert registry.loaded(Store(copy.rename(copy.with_suffix(".duckdb")))).name == "lookup"


WHOLE = packed(kept.new("lookup").fit(TRIES), data_hash(TRIES))
HASH = data_hash(TRIES)


def altered(file: bytes) -> Weights:
    """The weights with another file, whose hash was altered with it."""
    return Weights(WHOLE.router_version, file, sha256(file).hexdigest())


def rewritten(arrays=None, **said) -> Weights:
    """The weights with another header or other arrays, whose hash was altered with them."""
    length = int.from_bytes(WHOLE.file[:8], "little")
    metadata = json.loads(WHOLE.file[8 : 8 + length])["__metadata__"]
    metadata = {name: value for name, value in (metadata | said).items() if value is not None}
    numpy = extra("safetensors.numpy")
    return altered(numpy.save(numpy.load(WHOLE.file) | (arrays or {}), metadata=metadata))


@given(st.integers(0, len(WHOLE.file) - 1), st.integers(1, 255))
@settings(max_examples=25)
def test_a_changed_byte_is_noticed(place, change):
    file = bytearray(WHOLE.file)
    file[place] ^= change
    with pytest.raises(RoutingError, match="was damaged or altered"):
        unpacked(replace(WHOLE, file=bytes(file)), "lookup", HASH)


@given(st.integers(0, len(WHOLE.file) - 1), st.integers(1, 255), st.booleans())
@settings(max_examples=25)
def test_a_file_altered_with_its_hash_is_a_router_or_an_error(place, change, is_cut):
    file = bytearray(WHOLE.file)
    file[place] ^= change
    if is_cut:
        del file[place:]
    try:
        router = unpacked(altered(bytes(file)), "lookup", HASH)
    except RoutingError:
        return
    assert router.expect(tasks(3)).quality.shape == (3, 3)


_VIEW = np.zeros((1, 3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (altered(b""), "no safetensors file, or was cut short"),
        (altered(b"\xff" * 100), "no safetensors file, or was cut short"),
        (altered(b"\x80\x04pickled" + b"x" * 2_000_000), "no safetensors file, or was cut short"),
        (altered(WHOLE.file[:-1]), "no safetensors file"),
        (altered((8).to_bytes(8, "little") + b"not JSON" * 2), "its header is no JSON"),
        (altered((4000).to_bytes(8, "little") + b"[" * 4000), "its header is no JSON"),
        (altered((2).to_bytes(8, "little") + b"[]"), "its header is no JSON object"),
        (altered(extra("safetensors.numpy").save({"a": _VIEW})), "somebody else's file"),
        (rewritten(format=None), "somebody else's file"),
        (rewritten(format="learnlab-router-2"), "its format is 'learnlab-router-2'"),
        (rewritten(name="sona"), "another router: its name differ"),
        (rewritten(data_hash="0"), "its data_hash differ"),
        (rewritten(router_version="lookup-0"), "its router_version differ"),
        (rewritten(candidates="[{}, 7]"), "no JSON of ours"),
        (rewritten(candidates='[{"tier": "small"}]'), r"not float64 \(1,\)"),
        (rewritten(description="[1]"), "its description is no object"),
        (rewritten(description="{}"), "makes no router of the kind lookup: KeyError"),
        (
            rewritten(description='{"quality": [7], "cost": []}'),
            "makes no router of the kind lookup: TypeError",
        ),
        (rewritten({"quality.0.mean": np.full((1, 3), np.nan)}), "no finite number"),
        (rewritten({"quality.0.mean": np.zeros((2, 3))}), r"is float64 \(2, 3\), not float64 \(1, 3\)"),
        (rewritten({"quality.0.mean": np.zeros((1, 3), dtype=np.float32)}), "is float32"),
        (rewritten({"more": np.zeros(1, dtype=np.uint8)}), "no router keeps an array 'more' of uint8"),
        (rewritten({"../x": np.zeros(1)}), "no router keeps an array '../x'"),
    ],
)
def test_a_file_that_is_no_router_of_ours(given, message):
    with pytest.raises(RoutingError, match=message) as raised:
        unpacked(given, "lookup", HASH)
    assert str(raised.value).startswith(f"the file of router {WHOLE.router_version} cannot be used: ")


def test_a_file_that_is_too_large_is_not_read(monkeypatch):
    monkeypatch.setattr(weights, "MOST_BYTES", 1000)
    with pytest.raises(RoutingError, match="are not kept"):
        packed(kept.new("lookup").fit(TRIES), HASH)
    with pytest.raises(RoutingError, match="are allowed"):
        unpacked(WHOLE, "lookup", HASH)


class Strange:
    name = "lookup"
    candidates = TIERS

    def __init__(self, description, arrays):
        self.describe, self.arrays = lambda: description, lambda: arrays


@pytest.mark.parametrize(
    ("router", "message"),
    [
        (Strange({"a": float("nan")}, {}), "plain JSON"),
        (Strange({"a": object()}, {}), "plain JSON"),
        (Strange({}, {"a": np.array([np.inf])}), "no finite number"),
        (Strange({}, {"a": np.array(["text"])}), "no router keeps an array 'a'"),
        (Strange({}, {f"a{at}": np.zeros(1) for at in range(1001)}), "1,001 arrays"),
    ],
)
def test_what_is_not_fit_to_be_kept(router, message):
    with pytest.raises(RoutingError, match=message):
        packed(router, HASH)


def test_nothing_but_the_kinds_of_the_table_is_made():
    for name in ("os", "learnlab.store", "", "x" * 500):
        with pytest.raises(RoutingError, match="no kind of router is called"):
            kept.new(name)
    with pytest.raises(RoutingError, match="the array 'a' is missing"):
        kept.taken({}, "a", (1,))
    assert kept.taken({"a": np.zeros((2, 3), dtype=np.float32)}, "a", (None, 3)).shape == (2, 3)


@pytest.mark.parametrize(
    "said",
    [
        '{"candidates": ["model_tier"]}',
        "[]",
        '"x"',
        {"candidates": ["evil"]},
        {"candidates": [["model"]]},
        {"quality": 7},
        {"quality": {"a": 1}},
        {"encoder_key": {"a": 1}},
        {"dimension": -3},
        {"dimension": 10**13},
        {"dimension": float("inf")},
        {"dimension": None},
    ],
)
def test_what_the_row_says_of_reading_must_be_whole(con, said):
    one = fit()
    text = said if isinstance(said, str) else json.dumps(json.loads(one.row["reads"]) | said)
    registry.keep(con, replace(one, row=one.row | {"reads": text.replace("Infinity", "1e400")}))
    with pytest.raises(RoutingError, match="how its tries were read"):
        registry.load(con, one.router_version)


def test_what_a_store_tells_is_shown_without_control_characters(store):
    with store.writing() as connection:
        registry.note(connection, {"decision": registry.NOT_PROMOTED, "reason": "a\x1b[2J\nb"})
    assert "not promoted: a?[2J b" in told(store)


@pytest.mark.parametrize("worth", [-5.0, float("nan"), float("inf"), None])
def test_a_worth_that_is_no_amount_is_the_usual(con, worth):
    row = {
        "decision": registry.PROMOTED,
        "challenger": "a",
        "in_use": "a",
        "worth_usd": worth,
        "reason": "a test",
    }
    registry.note(con, row)
    assert registry.worth_of(con, "a") == registry.WORTH_USD
