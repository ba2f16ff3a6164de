from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from encoders import WordEncoder
from processes import finish, next_fact, start

from learnlab.errors import SearchError, StoreError
from learnlab.search.index import backlog
from learnlab.search.index.backlog import Encoded, encode_waiting
from learnlab.store import Store, migrations
from learnlab.store.frames import conform
from learnlab.store.status import describe

KEY = "words@1"


@pytest.fixture(scope="module")
def made(tmp_path_factory, empty, make_frame) -> Path:
    """The file of a store of 300 executions, each with a text of its own."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("backlog") / "filled.duckdb"))
    return fill(store, make_frame, [f"Split part {i}" for i in range(300)]).path


@pytest.fixture
def filled(tmp_path, made) -> Store:
    """A copy of that store."""
    return Store(shutil.copy(made, tmp_path / "filled.duckdb"))


def fill(store: Store, make_frame, texts: list[str], first: int = 0) -> Store:
    store.add(conform(make_frame(len(texts), first, task_description=pl.Series(texts)))[0])
    return store


def searchable(store: Store, key: str = KEY) -> list[str]:
    query = (
        "select t.text from texts t join search.embeddings v using (text_hash) "
        "where v.model_key = $key and v.is_searchable order by t.text_no"
    )
    return store.sql(query, {"key": key})["text"].to_list()


def test_every_text_gets_the_vector_that_the_encoder_gives_it(filled):
    encoder = WordEncoder()
    done = encode_waiting(filled, encoder)
    assert (done.n_texts, done.n_unusable, done.n_left, done.key) == (300, 0, 0, KEY)
    assert done.n_words_indexed == filled.sql("select count(*) from search.worded").item() == 300
    assert encoder.n_encoded == 300
    rows = filled.sql(
        "select t.text, v.embedding from texts t join search.embeddings v using (text_hash) order by t.text_no"
    )
    found = np.array(rows["embedding"].to_list())
    cosines = np.sum(found * WordEncoder().encode(rows["text"].to_list()), axis=1)
    assert cosines.min() > 0.999
    assert migrations.validate(filled.path) == []
    assert encode_waiting(filled, encoder).n_texts == 0
    assert encoder.n_encoded == 300


def test_a_limit_takes_the_newest(filled):
    encoder = WordEncoder()
    done = encode_waiting(filled, encoder, limit=7)
    assert (done.n_texts, done.n_left, encoder.n_encoded) == (7, 293, 7)
    assert searchable(filled) == [f"Split part {i}" for i in range(293, 300)]
    assert encode_waiting(filled, encoder, limit=0).n_left == 293
    assert "7 of 300 texts are searchable with words@1, 293 wait for `learnlab encode`" in describe(filled)
    encode_waiting(filled, encoder)
    assert "300 of 300 texts are searchable with words@1\n" in describe(filled)


def test_pieces_hold_no_more_than_their_number_and_characters(filled, make_frame, monkeypatch):
    monkeypatch.setattr(backlog, "PIECE", 100)
    monkeypatch.setattr(backlog, "PIECE_CHARACTERS", 500)
    fill(filled, make_frame, ["x" * 2000, "y" * 2000, "", "z" * 100], first=300)
    sizes = []

    class Counting(WordEncoder):
        def encode(self, texts):
            sizes.append(sum(map(len, texts)))
            return super().encode(texts)

    done = encode_waiting(filled, Counting())
    assert (done.n_texts, done.n_unusable, done.n_left) == (303, 1, 0)
    assert sizes[:3] == [100, 2000, 2000]
    assert max(sizes[3:]) <= 500


class Failing(WordEncoder):
    """Fails on texts that have a word of its list, each in its way."""

    def encode(self, texts):
        if any("raises" in text for text in texts):
            raise RuntimeError("out of memory")
        found = super().encode(texts)
        for at, text in enumerate(texts):
            if "nan" in text:
                found[at] = np.nan
            elif "zero" in text:
                found[at] = 0
        return found[:, :-1] if any("shape" in text for text in texts) else found


def test_a_text_that_the_model_fails_on_is_set_aside_and_stops_nothing(store, make_frame, caplog):
    good = [f"Describe part {i}" for i in range(20)] + ["\0", "e\u0301 😀 漢字", "x" * 100_000]
    bad = ["it raises", "a nan", "a zero", "wrong shape", "", " \t\n\u00a0 "]
    fill(store, make_frame, good[:10] + bad + good[10:])
    with caplog.at_level(logging.WARNING, "learnlab.search"):
        done = encode_waiting(store, Failing())
    assert (done.n_texts, done.n_unusable, done.n_left) == (23, 6, 0)
    assert searchable(store) == good
    assert "RuntimeError" in caplog.text
    assert "it raises" not in caplog.text
    assert encode_waiting(store, Failing()).n_unusable == 0
    assert "23 of 29 texts are searchable" in describe(store)


@pytest.mark.parametrize("what", ["raises", "nan", "shape"])
def test_an_encoder_that_works_for_no_text_sets_none_aside(filled, what):
    class Broken(Failing):
        def encode(self, texts):
            return super().encode([f"{text} {what}" for text in texts])

    with pytest.raises(SearchError, match="works for no text|no vector of length 1|array of shape"):
        encode_waiting(filled, Broken())
    assert filled.sql("select count(*) from search.embeddings").item() == 0


def test_a_model_changed_half_way_gets_a_table_of_its_own(filled):
    encode_waiting(filled, WordEncoder(), limit=100)
    newer = WordEncoder("words@2", 64)
    assert encode_waiting(filled, newer).n_texts == 300
    assert (len(searchable(filled)), len(searchable(filled, "words@2"))) == (100, 300)
    with pytest.raises(SearchError, match="another name or revision"):
        encode_waiting(filled, WordEncoder(KEY, 64))
    assert encode_waiting(filled, WordEncoder()).n_texts == 200


def test_texts_that_are_forgotten_while_they_are_encoded_do_not_come_back(filled, make_frame):
    class Meanwhile(WordEncoder):
        def encode(self, texts):
            if self.n_encoded == 0:
                filled.forget(repo="shop")
                fill(filled, make_frame, ["Something new"], first=900)
            return super().encode(texts)

    done = encode_waiting(filled, Meanwhile())
    assert (done.n_texts, done.n_left) == (1, 0)
    assert searchable(filled) == ["Something new"]
    assert migrations.validate(filled.path) == []


def test_others_read_and_write_while_a_model_computes(filled, make_frame):
    began, may_end = threading.Event(), threading.Event()

    class Slow(WordEncoder):
        def encode(self, texts):
            began.set()
            assert may_end.wait(30)
            return super().encode(texts)

    thread = threading.Thread(target=encode_waiting, args=(filled, Slow()))
    thread.start()
    assert began.wait(30)
    fill(Store(filled.path, timeout=5), make_frame, ["Captured meanwhile"], first=900)
    assert len(filled.view("outcomes")) == 301
    may_end.set()
    thread.join()
    assert "Captured meanwhile" in searchable(filled)
    assert len(searchable(filled)) == 301


def test_two_at_once_do_no_harm(filled, monkeypatch):
    monkeypatch.setattr(backlog, "PIECE", 150)
    runs: list[Encoded] = []
    threads = [
        threading.Thread(target=lambda: runs.append(encode_waiting(filled, WordEncoder()))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(run.n_texts for run in runs) == 300
    assert migrations.validate(filled.path) == []
    assert len(searchable(filled)) == 300


def test_a_killed_run_keeps_its_pieces_and_the_next_goes_on(filled, soak):
    for kill in range(20 if soak else 1):
        process = start("encode", filled.path, 40)
        for _ in range(2 + kill % 3):
            next_fact(process)
        process.kill()
        process.wait()
        process.communicate()
        done = filled.sql("select count(*), count(distinct text_hash) from search.embeddings").row(0)
        assert done[0] == done[1] >= min(300, 40 * (kill + 1))
        assert migrations.validate(filled.path) == []
    (said,) = [fact for fact in finish(start("encode", filled.path, 300)) if "n_left" in fact]
    assert said == {"n_texts": 300 - done[0], "n_left": 0}


def test_an_empty_store_has_nothing_to_do_and_none_says_so(store, tmp_path):
    assert encode_waiting(store, WordEncoder()).summary().endswith("0 wait")
    with pytest.raises(StoreError, match="there is no store"):
        encode_waiting(Store(tmp_path / "none.duckdb"), WordEncoder())


def test_progress_is_shown_in_a_terminal_and_not_in_a_pipe(filled, capsys, monkeypatch):
    encode_waiting(filled, WordEncoder(), limit=10, progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    encode_waiting(filled, WordEncoder(), limit=10)
    assert capsys.readouterr().err == ""
    encode_waiting(filled, WordEncoder(), limit=10, progress=True)
    assert "/10 [" in capsys.readouterr().err  # how many of ten, and the time that remains
