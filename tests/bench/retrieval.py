"""How good the three ways to search are on real texts: each text asks for the others that it belongs with."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import polars as pl

from bench.figures import Figure, say
from learnlab.capture.mapping.rules import MAX_TASK_DESCRIPTION as CUT
from learnlab.intervals import Interval, bootstrap, paired_bootstrap
from learnlab.search.asked import Asked
from learnlab.search.encoder import Encoder
from learnlab.search.encoders import encoder as chosen_encoder
from learnlab.search.found import Mode
from learnlab.search.index.backlog import encode_waiting
from learnlab.search.modes import Query, ranked
from learnlab.search.searchable import searchable
from learnlab.store import Store
from learnlab.store.connection import fetch
from learnlab.store.frames import conform

TOPIC = "quality of retrieval on real texts, in points short of a perfect ranking (0 to 100)"
ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
KEPT = ROOT / "build" / "bench"
"""Where the stores stay, so that the next run need not encode their texts again."""

N_TEXTS = 1_000
"""Questions that are searched; under BENCH_FULL=1 all of them."""
N_QUERIES = 300
"""Questions that ask."""
N_QUERIES_IN_FULL = 2_000
"""Questions that ask under BENCH_FULL=1."""
DEPTH = 100
"""Places of a ranking in which the first relevant text is looked for."""

MODES: tuple[Mode, ...] = get_args(Mode)
CHANCE = "chance"
PAIRS = (("words", "semantic"), ("hybrid", "semantic"), ("hybrid", "words"))

_REPO = re.compile(r"([\w-]+?)__([\w-]+?)(?:-\d+$|\.[0-9a-f]{8}\.|__)")
_SPELT = {"scikit-learn": ["sklearn"], "pytorch-lightning": ["lightning"]}
"""What a repository's package is called where it is called otherwise."""


@dataclass(frozen=True)
class Texts:
    """Distinct texts, each with the labels of what it belongs to; those that share a label are relevant to each other."""

    name: str
    labels: Mapping[str, Collection[str]]


class Quality(NamedTuple):
    """nDCG@10 and the reciprocal rank of the first relevant text, of one ranking."""

    ndcg: float
    reciprocal_rank: float


def quality(ranking: Sequence[int], relevant: Collection[int]) -> Quality:
    """Return the quality of a ranking in which every relevant item is worth the same.

    Formula: K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM Transactions on
    Information Systems 20 (2002), 422-446, with the discount 1 / log2(place + 1); the best possible ranking has 1.

    >>> quality([4, 7], {7})
    Quality(ndcg=0.6309297535714575, reciprocal_rank=0.5)
    """
    discounts = 1 / np.log2(np.arange(10) + 2)
    hits = np.array([item in relevant for item in ranking[:DEPTH]], dtype=bool)
    gained = discounts[: len(hits[:10])][hits[:10]].sum()
    first = 1 / (1 + int(hits.argmax())) if hits.any() else 0.0
    return Quality(float(gained / discounts[: min(10, len(relevant))].sum()), first)


def repo_of(task: str) -> str:
    """Return the repository that a task's id names: `org__name` up to the number or commit, else the course.

    >>> repo_of("pandas-dev__pandas.82fa2715.test_info.d8a64ebf.lv1"), repo_of("django__django-10097")
    ('pandas-dev/pandas', 'django/django')
    >>> repo_of("61810_cow")
    '61810'
    """
    named = _REPO.match(task)
    return f"{named[1]}/{named[2]}" if named else task.rpartition("_")[0]


def questions() -> Texts:
    """Return the questions of MMLU and GSM8K with their subjects; a question asked in two subjects has both."""
    labels: dict[str, set[str]] = {}
    with gzip.open(next((DATA / "routellm_mmlu_gsm8k").glob("*.csv.gz")), "rt", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            labels.setdefault(row["prompt"], set()).add(row["task_type"] or row["benchmark"])
    if os.environ.get("BENCH_FULL"):
        return Texts("questions, same subject", labels)
    some = np.random.default_rng(0).permutation(len(labels))[:N_TEXTS]
    every = list(labels.items())
    return Texts("questions, same subject", dict(every[at] for at in sorted(some)))


def tasks() -> Texts:
    """Return the repository tasks with their repositories."""
    lines = (DATA / "coderouterbench" / "ood176_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return Texts(
        "tasks, same repository", {row["prompt"]: {repo_of(row["original_task_id"])} for row in rows}
    )


def without_names(texts: Texts) -> Texts:
    """Return the texts without the name of any of their repositories and organisations, however it is spelt."""
    repos = {label for labels in texts.labels.values() for label in labels if "/" in label}
    names = {name for repo in repos for part in repo.split("/") for name in (part, *_SPELT.get(part, []))}
    spelt = ["[-_ ]?".join(map(re.escape, re.split("[-_]", name))) for name in names]
    pattern = re.compile("|".join(sorted(spelt, key=len, reverse=True)), re.IGNORECASE)
    return Texts(
        f"{texts.name}, names removed", {pattern.sub(" ", t): labels for t, labels in texts.labels.items()}
    )


def beginnings(texts: Texts) -> Texts:
    """Return the first `CUT` characters of the texts; those that are the same now are one, with the labels of all."""
    labels: dict[str, set[str]] = {}
    for text, own in texts.labels.items():
        labels.setdefault(text[:CUT], set()).update(own)
    return Texts(f"{texts.name}, {CUT} characters", labels)


def filled(texts: Texts, folder: Path, encoder: Encoder) -> Store:
    """Return a store in which each text is an execution (its task_id is its place), embedded and indexed anew."""
    store = Store(
        folder / f"retrieval-{re.sub('[^a-z0-9]+', '-', texts.name)}-{len(texts.labels)}.duckdb"
    ).ensure()
    ids = [f"00000000-0000-4000-8000-{at:012d}" for at in range(len(texts.labels))]
    same = {name: pl.lit(name) for name in ("task_type", "model_tier", "pool_type")}
    frame = pl.DataFrame({"task_id": ids, "task_description": list(texts.labels)})
    frame = frame.with_columns(**same | {"model_tier": pl.lit("small"), "repo": pl.lit("real")})
    with store.writing() as connection:
        connection.execute("delete from search.words")
        connection.execute("delete from search.worded")
        store.add(conform(frame)[0])
    encode_waiting(store, encoder, progress=True)
    return store


def rankings(store: Store, key: str, queries: Sequence[int]) -> Iterator[dict[str, list[int]]]:
    """Yield for each query the places of the texts that each mode finds, and a ranking by chance."""
    rng = np.random.default_rng(0)
    with store.reading() as connection:
        rows = fetch(
            connection,
            "select cast(e.task_id as varchar) as task_id, t.text, v.embedding from executions e "
            "join texts t on t.text_hash = e.description_hash "
            "left join search.embeddings v on v.text_hash = t.text_hash and v.model_key = $key order by 1",
            {"key": key},
        )
        for at in queries:
            task_id, text, vector = rows.row(at)
            query = Query(text, None if vector is None else np.asarray(vector, np.float32), task_id)
            found = {}
            for mode in MODES:
                asked = Asked.of(limit=DEPTH, threshold=None, mode=mode, exact=True, days_back=None)
                known = searchable(connection, key, mode)
                best = ranked(connection, query, asked, asked.filter.where(connection), known)
                found[mode] = [int(str(one)[-12:]) for one in best["task_id"]]
            others = np.delete(np.arange(len(rows)), at)
            yield found | {CHANCE: rng.permutation(others)[:DEPTH].tolist()}


Found = dict[str, list[Quality]]
"""The quality of each mode's rankings, one a query, all modes in the same order."""


def measured(texts: Texts, encoder: Encoder, n_queries: int, folder: Path = KEPT) -> tuple[list[int], Found]:
    """Return which texts asked and the quality of what each mode found; texts that belong with no other ask nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    store = filled(texts, folder, encoder)
    of_label: dict[str, set[int]] = {}
    for at, labels in enumerate(texts.labels.values()):
        for label in labels:
            of_label.setdefault(label, set()).add(at)
    relevant = [
        {other for label in labels for other in of_label[label]} - {at}
        for at, labels in enumerate(texts.labels.values())
    ]
    asking = [int(at) for at in np.random.default_rng(0).permutation(len(relevant)) if relevant[at]][
        :n_queries
    ]
    found: Found = {mode: [] for mode in (*MODES, CHANCE)}
    for at, by_mode in zip(asking, rankings(store, encoder.key, asking), strict=True):
        for mode, ranking in by_mode.items():
            found[mode].append(quality(ranking, relevant[at]))
    return asking, found


def overview(texts: Texts, asking: Sequence[int], found: Found) -> str:
    """Return the means and the paired differences as lines, each with its 95 % bootstrap interval over queries.

    Where one label stands on more than half of the queries, the means and differences of the others follow.
    """
    lines = _lines(f"{texts.name}: {len(asking):,} queries against {len(texts.labels):,} texts", found)
    every = list(texts.labels.values())
    (commonest, n), *_ = Counter(label for at in asking for label in every[at]).most_common(1)
    if 2 * n > len(asking):
        rest = [place for place, at in enumerate(asking) if commonest not in every[at]]
        part = {mode: [ones[place] for place in rest] for mode, ones in found.items()}
        lines += _lines(f"the {len(rest):,} queries that are not of {commonest}", part)
    return "\n".join(lines)


def _lines(head: str, found: Found) -> list[str]:
    lines = [head]
    for measure, values in _by_measure(found):
        means = {mode: bootstrap(ones) for mode, ones in values.items()}
        gaps = {f"{a} - {b}": paired_bootstrap(values[a], values[b]) for a, b in PAIRS}
        lines += [f"  {measure:8} {what:20} {_shown(interval)}" for what, interval in (means | gaps).items()]
    return lines


def _by_measure(found: Found) -> Iterator[tuple[str, dict[str, list[float]]]]:
    yield "nDCG@10", {mode: [one.ndcg for one in ones] for mode, ones in found.items()}
    yield "MRR", {mode: [one.reciprocal_rank for one in ones] for mode, ones in found.items()}


def _shown(interval: Interval | None) -> str:
    if interval is None:
        return "too few"
    return f"{interval.estimate:6.3f} ({interval.low:.3f} to {interval.high:.3f})"


def measure() -> Iterator[Figure]:
    """Yield what each mode lacks of a perfect ranking beside search by meaning, and print it all with intervals."""
    if not DATA.is_dir():
        say("the quality of retrieval is left out: the folder ../shared/data is absent")
        return
    encoder = chosen_encoder()
    n_queries = N_QUERIES_IN_FULL if os.environ.get("BENCH_FULL") else N_QUERIES
    nameless = without_names(tasks())
    for texts in (tasks(), nameless, beginnings(tasks()), beginnings(nameless), questions()):
        say(f"{texts.name}: encoding what is not encoded yet, then searching")
        asking, found = measured(texts, encoder, n_queries)
        print(overview(texts, asking, found), end="\n\n", flush=True)
        for name, values in _by_measure(found):
            short = {mode: 100 * (1 - sum(ones) / len(ones)) for mode, ones in values.items()}
            for mode in (*MODES[1:], CHANCE):
                what = f"{texts.name}, {name}: {mode}"
                yield Figure(TOPIC, what, len(texts.labels), short[mode], "", MODES[0], short[MODES[0]])
