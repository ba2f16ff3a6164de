from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnlab import settings as module
from learnlab.errors import StoreError
from learnlab.settings import (
    current_store,
    name_for_source,
    notebooks_to_work_on,
    settings,
    store_for_source,
    store_name,
    store_path,
    use_store,
)


def test_a_name_is_a_file_in_the_home_and_a_path_is_itself(home, tmp_path):
    assert store_path("nightly") == home.resolve() / "stores" / "nightly.duckdb"
    assert store_path(tmp_path / "x.db") == tmp_path.resolve() / "x.db"
    assert store_name(store_path("nightly")) == "nightly"
    assert store_name(Path("/data/x.db")) == "/data/x.db"


@pytest.mark.parametrize("name", ["..", "a b", "Über", "a;drop", "-x", "x" * 64, "sample\n"])
def test_a_name_that_could_be_something_else_is_refused(name):
    with pytest.raises(StoreError, match="no name for a store"):
        store_path(name)


def test_the_current_store_is_what_was_chosen_last(home, monkeypatch):
    assert current_store() == "sample"
    use_store("nightly")
    assert store_path() == store_path("nightly")
    monkeypatch.setenv("LEARNLAB_DB", "other")
    settings.cache_clear()
    assert store_path() == store_path("other")


def test_a_choice_that_cannot_be_written_is_an_error(home):
    home.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="cannot write"):
        use_store("nightly")
    source = home.with_name("logs.csv")
    source.touch()
    with pytest.raises(StoreError, match="cannot write"):
        store_for_source(source)


@given(st.text(min_size=1, max_size=80))
def test_every_source_has_a_name_that_is_one(text):
    name = name_for_source(text)
    assert store_path(name).stem == name


def test_two_sources_of_one_name_never_share_a_store(tmp_path):
    first, second = tmp_path / "a" / "logs.csv", tmp_path / "b" / "logs.csv"
    for path in (first, second):
        path.parent.mkdir()
        path.touch()
    assert store_for_source(first) == store_for_source(first) == "logs"
    assert store_for_source(second) == store_for_source(second) != "logs"
    assert store_for_source(tmp_path / "sample.csv") != "sample"


def test_a_wheel_copies_its_notebooks_out_and_overwrites_none(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "checkout", lambda: None)
    package = tmp_path / "package"
    (package / "notebooks").mkdir(parents=True)
    (package / "notebooks" / "00_tour.ipynb").write_text("{}")
    monkeypatch.setattr(module, "PACKAGE", package)
    monkeypatch.chdir(tmp_path)
    assert notebooks_to_work_on() == tmp_path / "notebooks"
    (tmp_path / "notebooks" / "00_tour.ipynb").write_text("mine")
    notebooks_to_work_on()
    assert (tmp_path / "notebooks" / "00_tour.ipynb").read_text() == "mine"
