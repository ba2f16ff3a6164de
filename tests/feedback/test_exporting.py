"""Labels in files: what goes in for whom, what comes back, and what a file that is broken or hostile does: nothing."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from itertools import count
from pathlib import Path
from uuid import UUID

import polars as pl
import pytest
from conftest import START
from hypothesis import Phase, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from learnlab.errors import FeedbackError, StoreError
from learnlab.feedback.agreement.answers import answered
from learnlab.feedback.agreement.coefficients import krippendorff_alpha
from learnlab.feedback.files import labelfile
from learnlab.feedback.files.exporting import export_labels
from learnlab.feedback.files.importing import Imported, import_labels
from learnlab.feedback.files.keys import key_of
from learnlab.feedback.giving import give
from learnlab.feedback.labelling.queues import open_queue
from learnlab.feedback.labelling.schemas import OUTCOME
from learnlab.people import PUBLIC, TEAM, FeedbackSubmission, Label, Viewer
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter

TASKS = [str(UUID(int=n)) for n in range(1, 6)]
ADA, KINDS = Viewer("ada"), ("parquet", "csv", "jsonl")


def says(author, n, answer, hours=0.0, **given) -> Label:
    plain = {"act": "label", "queue": "audit", "label_schema": OUTCOME.key, "answers": {"success": answer}}
    success = {"yes": True, "no": False}.get(answer)
    when = START + timedelta(hours=hours)
    return Label(task_id=TASKS[n], author=author, timestamp=when, success=success, **(plain | given))


@pytest.fixture(scope="module")
def labelled(empty, make_record, tmp_path_factory):
    """What three people said: shared and private, replaced, undone, settled; and what are no labels."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("audited") / "store.duckdb"))
    SpoolWriter(store.path).append([make_record(task_id=task, success=None) for task in TASKS])
    open_queue("audit", store, tasks=TASKS, labels_per_item=2)
    undone = says("ada", 4, "yes")
    give(
        store.path,
        *(
            says("ada", n, word, 1.25, seconds=7.5, saw_suggestion=True)
            for n, word in enumerate(("yes", "no", "yes"))
        ),
        *(
            says("bob", n, word, 2, comment="=1+1\n'quoted', \"so\"")
            for n, word in enumerate(("yes", "yes", "no", "no"))
        ),
        says("bob", 3, "yes", 3),
        says("ada", 3, "no", visibility="private", comment="ADAS OWN"),
        says("cyd", 0, "no", visibility="private", comment="CYDS OWN"),
        says("cyd", 1, "yes", act="adjudication"),
        undone,
        says("ada", 4, None, 1, act="undo", answers={}, undoes=undone.feedback_id),
        says("bob", 4, None, act="skip", answers={}),
        says("bob", 4, None, act="note", answers={}, comment="A NOTE"),
        FeedbackSubmission(
            task_id=TASKS[0], author="bob", satisfaction="good", visibility="team", comment="A RATING"
        ),
    )
    store.drain(60.0)
    return store


@pytest.fixture
def source(labelled, tmp_path):
    return Store(shutil.copy(labelled.path, tmp_path / "source.duckdb"))


def rows(path: Path) -> pl.DataFrame:
    return labelfile.read(path).drop("provenance")


def origin(path: Path) -> dict:
    return json.loads(labelfile.read(path)["provenance"].drop_nulls().item())


def test_a_file_gives_back_what_went_in_and_adds_nothing_twice(source, store, tmp_path):
    first, again = tmp_path / "a.csv", tmp_path / "b.csv"
    done = export_labels(first, source.path, viewer=ADA)
    assert (done.n_labels, done.n_annotators, done.path) == (9, 3, first)
    assert first.stat().st_mode & 0o777 == 0o600
    assert import_labels(first, store.path, author="ada") == Imported(9, 9, 0, 0)
    export_labels(again, store.path, viewer=ADA)
    assert rows(again).equals(rows(first))
    assert [queue | {"schema": json.loads(queue["schema"])} for queue in origin(again)["queues"]] == [
        queue | {"schema": json.loads(OUTCOME.to_json())} for queue in origin(first)["queues"]
    ]
    for target in (store, source):
        assert import_labels(first, target.path, author="ada") == Imported(9, 0, 9, 0)
    alphas = [
        krippendorff_alpha(answered("audit", one.path).to(OUTCOME.questions[0])) for one in (source, store)
    ]
    assert alphas[0] == alphas[1]


def test_what_is_written_is_what_the_viewer_may_see(source, tmp_path):
    seen = {}
    for name, viewer in (("ada", ADA), ("team", TEAM), ("cyd", Viewer("cyd"))):
        path = tmp_path / f"{name}.jsonl"
        export_labels(path, source.path, viewer=viewer)
        seen[name] = path.read_text(encoding="utf-8")
        for no_label in ("A NOTE", "A RATING"):
            assert no_label not in seen[name]
        assert "bob" not in seen[name]
    assert ("ADAS OWN" in seen["ada"], "CYDS OWN" in seen["ada"], "cyd" in seen["ada"]) == (
        True,
        False,
        False,
    )
    assert ("ADAS OWN" in seen["team"], "CYDS OWN" in seen["team"], "ada" in seen["team"]) == (
        False,
        False,
        False,
    )
    assert ("ADAS OWN" in seen["cyd"], "CYDS OWN" in seen["cyd"]) == (False, True)
    team = rows(tmp_path / "team.jsonl")
    assert team.select("feedback_id", "author", "seconds").null_count().row(0) == (8, 8, 8)
    assert set(team["given_at"].str.slice(10)) == {"T00:00:00.000000Z"}
    own = rows(tmp_path / "ada.jsonl").filter(author="ada")
    assert own["seconds"].drop_nulls().to_list() == [7.5] * 3
    told = origin(tmp_path / "team.jsonl")
    assert told["written_for"] == "this store's users"
    assert told["store"] == "source.duckdb"
    assert "what other people keep private" in told["left_out"]
    with pytest.raises(FeedbackError, match="no label that everybody may see"):
        export_labels(tmp_path / "public.csv", source.path, viewer=PUBLIC)
    with pytest.raises(FeedbackError, match="no label in the queue 'other'"):
        export_labels(tmp_path / "other.csv", source.path, viewer=TEAM, queue="other")
    assert not list(tmp_path.glob("*.csv")) + list(tmp_path.glob(".*"))


def test_the_store_remembers_which_labels_went_into_which_file(source, tmp_path):
    done = export_labels(tmp_path / "team.csv", source.path, viewer=TEAM)
    with source.reading() as connection:
        ((export_id, name, ids),) = connection.execute(
            "select export_id, file_name, feedback_ids from people.exports"
        ).fetchall()
        keys = connection.execute(
            "select cast(feedback_key as varchar), feedback_id from people.events"
        ).fetchall()
        shown = connection.execute("select cast(feedback_key as varchar) from feedback").fetchall()
    assert (export_id, name, len(ids)) == (done.export_id, "team.csv", 8)
    exported = set(rows(tmp_path / "team.csv")["feedback_key"])
    assert {str(key_of(one)) for one in ids} == exported
    assert dict(keys) == {str(key_of(one)): one for _, one in keys}
    assert exported < {key for (key,) in shown}


def test_others_come_in_under_a_pseudonym_and_stay_one_person(source, store, tmp_path):
    path, later = tmp_path / "one.csv", tmp_path / "two.csv"
    done = export_labels(path, source.path, viewer=ADA)
    assert import_labels(path, store.path, author="zoe") == Imported(9, 8, 0, 1)
    give(source.path, says("bob", 2, "yes", 48))
    export_labels(later, source.path, viewer=ADA)
    assert import_labels(later, store.path, author="zoe") == Imported(9, 1, 7, 1)
    with store.reading() as connection:
        found = connection.execute("select distinct author from people.events order by 1").fetchall()
        assert connection.execute(
            "select count(*) from people.events where comment = 'ADAS OWN'"
        ).fetchone() == (0,)
    assert [name for (name,) in found] == [f"annotator {n} of {done.export_id.hex[:12]}" for n in (1, 2, 3)]
    labels = answered("audit", store.path).labels
    assert labels.group_by("annotator").len()["len"].sort().to_list() == [3, 4]
    assert import_labels(path, store.path, author="ada") == Imported(9, 1, 8, 0)


@pytest.mark.parametrize("with_their_executions", [False, True])
def test_what_is_gone_does_not_come_back_by_a_file(source, tmp_path, with_their_executions):
    path = tmp_path / "team.parquet"
    export_labels(path, source.path, viewer=TEAM)
    if with_their_executions:
        source.forget(repo="shop")
    else:
        source.delete_feedback("bob", None)
    assert import_labels(path, source.path, author="ada") == Imported(8, 0, 8, 0)


def test_a_spreadsheet_runs_nothing_of_a_csv(source, tmp_path):
    export_labels(tmp_path / "labels.csv", source.path, viewer=TEAM)
    raw = pl.read_csv(tmp_path / "labels.csv", infer_schema=False)
    assert [text for text in raw["comment"].drop_nulls() if text[0] in "=+-@"] == []
    assert raw["comment"].drop_nulls()[0].startswith("'=1+1\n'")


LINE = {
    "feedback_key": str(key_of(UUID(int=5))),
    "task_id": TASKS[0],
    "given_at": "2026-05-01T00:00:00.000000Z",
    "feedback_type": "label",
    "annotator": 1,
    "visibility": "team",
    "queue": "audit",
    "label_schema": OUTCOME.key,
    "answers": '{"success":"yes"}',
    "success": True,
    "via": "widget",
}
QUEUE = {
    "queue": "audit",
    "label_schema": OUTCOME.key,
    "schema": OUTCOME.to_json(),
    "labels_per_item": 2,
    "ordered_by": "given",
    "opened_at": "2026-05-01T00:00:00Z",
}


def forged(path: Path, *lines: dict, **provenance) -> Path:
    told = {"export_id": str(UUID(int=3)), "queues": [QUEUE]} | provenance
    whole = [dict.fromkeys(labelfile.SCHEMA) | LINE | line for line in lines]
    whole[0].setdefault("provenance", None)
    if whole[0]["provenance"] is None:
        whole[0]["provenance"] = json.dumps(told)
    path.write_text("".join(json.dumps(line) + "\n" for line in whole), encoding="utf-8")
    return path


def test_the_plain_forgery_is_taken_so_that_the_others_are_refused_for_what_is_wrong(store, tmp_path):
    assert import_labels(forged(tmp_path / "a.jsonl", {}), store.path, author="ada").n_added == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"feedback_key": "9f8c2b1e-5a44-4c1d-9d0e-6f7a8b9c0d1e"}, "stands for no label"),
        ({"feedback_key": "x"}, "badly formed"),
        ({"feedback_id": str(UUID(int=6)), "author": "ada"}, "stands for no label, or for another"),
        ({"author": "bob"}, "an author without an id"),
        ({"feedback_type": "undo"}, "'undo' is no label"),
        ({"annotator": 0}, "which annotator"),
        ({"answers": "[1]"}, "answers"),
        ({"answers": "{"}, "Expecting"),
        ({"answers": "{}"}, "a label has answers"),
        ({"answers": '{"success":"purple"}'}, "'purple' is none of yes, no, unknown"),
        ({"answers": '{"mood":"yes"}'}, "'mood' is no question"),
        ({"answers": '{"success":"no"}'}, "its success is not what its answers say"),
        ({"label_schema": "other@0", "answers": '{"score":NaN}'}, "not JSON"),
        ({"label_schema": "other@0", "answers": '{"score":1e999}'}, "not JSON"),
        ({"answers": "[" * 100_000}, "label 1"),
        ({"visibility": "world"}, "visibility"),
        ({"given_at": "soon"}, "timestamp"),
        ({"comment": "x" * 2001}, "comment"),
        ({"comment": "a\0b"}, "NUL"),
        ({"queue": ""}, "queue"),
        ({"via": "telepathy"}, "via"),
        ({"seconds": -1.0}, "seconds"),
        ({"annotator": "one"}, "cannot be read"),
        ({"provenance": "{"}, "provenance is damaged"),
        ({"provenance": "[]"}, "provenance is damaged"),
        ({"provenance": json.dumps({"export_id": 5, "queues": []})}, "provenance is damaged"),
        ({"provenance": json.dumps({"export_id": "x", "queues": []})}, "provenance is damaged"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_said_and_nothing_is_done(labelled, tmp_path, line, says):
    before = labelled.path.read_bytes()
    good = {"feedback_key": str(key_of(UUID(int=9)))}
    order = (line, good) if "provenance" in line else (good, line)
    says = says.replace("label 1", "label 2")
    with pytest.raises(FeedbackError, match=says) as refused:
        import_labels(forged(tmp_path / "a.jsonl", *order), labelled.path, author="ada")
    assert "a.jsonl" in str(refused.value)
    assert len(str(refused.value)) < 500
    assert labelled.path.read_bytes() == before


@pytest.mark.parametrize(
    "queue",
    [
        {"schema": "{}"},
        {"schema": OUTCOME.to_json().replace("Did", "Does")},
        {"queue": "a\nb"},
        {"opened_at": "soon"},
        {"labels_per_item": 0},
        {"labels_per_item": True},
        {"labels_per_item": 10**30},
        {"labels_per_item": "'; drop table people.events; --"},
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_forged_queue_is_refused(store, tmp_path, queue):
    path = forged(tmp_path / "a.jsonl", {}, queues=[QUEUE | queue])
    with pytest.raises(FeedbackError, match="provenance is damaged"):
        import_labels(path, store.path, author="ada")


def test_the_same_label_twice_and_no_provenance_are_refused(store, tmp_path):
    with pytest.raises(FeedbackError, match="is there twice"):
        import_labels(forged(tmp_path / "a.jsonl", {}, {}), store.path, author="ada")
    path = forged(tmp_path / "b.jsonl", {})
    path.write_text("\n".join(path.read_text().splitlines()[1:]) or "{}", encoding="utf-8")
    with pytest.raises(FeedbackError, match="does not say where its labels come from"):
        import_labels(path, store.path, author="ada")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"\0\xff\xfe", b"PAR1" * 40, b'{"a": 1}\n', b"a,b\n1,2\n", b'"\n'])
def test_a_foreign_file_is_no_file_of_labels(store, tmp_path, kind, content):
    path = tmp_path / f"foreign.{kind}"
    path.write_bytes(content)
    with pytest.raises(FeedbackError, match=f"foreign.{kind}"):
        import_labels(path, store.path)


def test_a_file_that_is_not_there_is_said_to_be_so(store, tmp_path):
    with pytest.raises(FeedbackError, match=r"^absent.csv cannot be read: No such file or directory$"):
        import_labels(tmp_path / "absent.csv", store.path)


def test_places_that_are_none_are_refused(source, store, tmp_path):
    for path, says in (
        (tmp_path / "labels.xlsx", "ends in .parquet, .csv or .jsonl"),
        (tmp_path / "no" / "labels.csv", "no such folder"),
        (Path("/proc/labels.csv"), "cannot be written"),
    ):
        with pytest.raises(FeedbackError, match=says):
            export_labels(path, source.path, viewer=TEAM)
    with pytest.raises(FeedbackError, match="cannot be read"):
        import_labels(tmp_path / "none.csv", store.path)
    with pytest.raises(StoreError, match="no store"):
        export_labels(tmp_path / "a.csv", tmp_path / "none.duckdb", viewer=TEAM)
    with source.reading() as connection:
        assert connection.execute("select count(*) from people.exports").fetchone() == (0,)


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
ODD = st.sampled_from(
    [
        "=1+1",
        "+x",
        "-",
        "@a",
        "'",
        "''=",
        "\t=",
        "\r",
        "a\r\nb",
        '"',
        '","',
        "\u2028",
        "é\u202e",
        "null",
        "NaN",
    ]
)
SAID = st.fixed_dictionaries(
    {
        "comment": st.none() | TEXT | ODD,
        "answers": st.dictionaries(
            TEXT | ODD, TEXT | ODD | st.none() | st.floats(0, 1) | st.booleans(), min_size=1
        ),
        "author": st.sampled_from(["ada", "bob", "cyd"]),
        "seconds": st.none() | st.floats(0, 1e9),
        "success": st.none() | st.booleans(),
        "saw_suggestion": st.none() | st.booleans(),
        "act": st.sampled_from(["label", "adjudication"]),
        "hours": st.floats(0, 99),
    }
)


@drawn(
    st.lists(
        st.fixed_dictionaries(
            {
                name: st.none()
                | {pl.String: TEXT | ODD, pl.Int64: st.integers(0, 9), pl.Float64: st.floats(0, 1e9)}.get(
                    kind, st.booleans()
                )
                for name, kind in labelfile.SCHEMA.items()
            }
        ),
        min_size=1,
    ),
    st.sampled_from(KINDS),
)
@settings(max_examples=25)
def test_whatever_stands_in_a_table_comes_back_as_it_was(tmp_path, lines, kind):
    frame, path = pl.DataFrame(lines, schema=labelfile.SCHEMA), tmp_path / f"a.{kind}"
    labelfile.put(path, labelfile.written(frame, kind))()
    assert labelfile.read(path).equals(frame)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


@pytest.fixture(scope="module")
def two_stores(empty, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    return [Store(shutil.copy(empty, folder / f"{name}.duckdb")) for name in ("from", "to")], count()


@settings(max_examples=3, phases=[Phase.generate])
@drawn(st.lists(SAID, min_size=1, max_size=6), st.sampled_from(KINDS), st.sampled_from([ADA, TEAM]))
def test_whatever_people_say_comes_back_as_it_was(two_stores, said, kind, viewer):
    (source, target), numbers = two_stores
    n = next(numbers)
    queue, schema = f"q '\"= {n}", f"odd@{n}"
    labels = [
        Label(
            task_id=TASKS[nth % 5],
            timestamp=START + timedelta(hours=one["hours"]),
            queue=queue,
            label_schema=schema,
            **{name: value for name, value in one.items() if name != "hours"},
        )
        for nth, one in enumerate(said)
    ]
    give(source.path, *labels)
    files = [source.path.with_name(f"{name}-{n}.{kind}") for name in "ab"]
    export_labels(files[0], source.path, viewer=viewer, queue=queue)
    import_labels(files[0], target.path, author="ada")
    export_labels(files[1], target.path, viewer=viewer, queue=queue)
    assert rows(files[1]).equals(rows(files[0]))
    assert rows(files[0])["feedback_key"].is_in([str(key_of(one.feedback_id)) for one in labels]).all()


def test_a_comment_of_a_file_is_masked_like_any_other(store, tmp_path):
    line = {"comment": "write to eve@example.org"}
    import_labels(forged(tmp_path / "a.jsonl", line), store.path, author="ada")
    assert "eve@example.org" not in str(store.sql("select comment from feedback").item())
