"""Mappings: what each key does, and the errors that name the file, the key and the near miss."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from learnlab.errors import LearnlabError, MappingError, SourceError
from learnlab.ingest.report import Notes
from learnlab.ingest.sources import find_files
from learnlab.ingest.tables.mapping import load_mapping, mapping_for, packaged_mappings
from learnlab.ingest.tables.tabular import read_batches


def read(tmp_path: Path, rows: str, mapping: str = "", notes: Notes | None = None) -> pl.DataFrame:
    """Return the executions of a small CSV read with a mapping; nothing may be rejected."""
    source, toml = tmp_path / "runs.csv", tmp_path / "my.toml"
    source.write_text(rows, encoding="utf-8")
    toml.write_text(mapping, encoding="utf-8")
    batches = list(read_batches(source, load_mapping(toml) if mapping else None, notes))
    assert [reason for batch in batches for reason in batch.rejected["reason"]] == []
    return pl.concat(batch.executions for batch in batches)


def test_columns_constants_and_units(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "who,wall,credits,share,what\nada,1500,0.1,0.5,Fix it\n",
        """
        [columns]
        agent = "who"
        duration_seconds = { column = "wall", unit = "ms" }
        actual_cost = { column = "credits", unit = "cents" }
        quality_score = { column = "share", unit = "fraction" }
        complexity_score = { column = "share", scale = 10 }
        task_description = "what"
        [constants]
        repo = "shop"
        file_count = 3
        user_accepted = true
        """,
    )
    wanted = {
        "agent": "ada", "duration_seconds": 1.5, "actual_cost": 0.001, "quality_score": 50.0, "complexity_score": 5.0,
        "task_description": "Fix it", "repo": "shop", "file_count": 3, "user_accepted": True, "metadata": "{}",
    }  # fmt: skip
    assert found.select(list(wanted)).row(0, named=True) == wanted


def test_a_pattern_takes_parts_of_a_value_and_leaves_the_rest_unknown(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "place,prompt,model\nowner__name-12,a,m\nelsewhere,b,m\n",
        '[columns]\nrepo = { column = "place", pattern = "([a-z]+)__([a-z]+)-[0-9]+", as = "$1/$2" }\n',
    )
    assert found["repo"].to_list() == ["owner/name", "unknown"]


def test_success_comes_only_from_the_stated_condition(tmp_path: Path) -> None:
    rows = "prompt,score,success\na,1.0,false\nb,0.99,true\nc,,true\n"
    stated = read(tmp_path, rows, 'success = "score >= 1.0"\nsuccess_source = "verifier"\n')
    assert stated["success"].to_list() == [True, False, None]
    assert stated["success_source"].to_list() == ["verifier", "verifier", "unknown"]
    plain = read(tmp_path, "prompt,score,model\na,1.0,m\n")
    assert plain["success"].to_list() == [None]


def test_placeholders_become_unknown(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "prompt,cost,tokens,latency_ms\na,0,0,0\nb,0,5,10\nc,,,\n",
        '[unknown]\nactual_cost = "cost == 0 and tokens == 0"\nduration_seconds = "latency_ms == 0"\n',
    )
    assert found["actual_cost"].to_list() == [None, 0.0, None]
    assert found["cost_source"].to_list() == ["unknown", "reported", "unknown"]
    assert found["duration_seconds"].to_list() == [None, 0.01, None]


def test_the_key_is_identity_and_the_content_is_version(tmp_path: Path) -> None:
    mapping = 'key = ["run"]\n'
    first = read(tmp_path, "run,prompt,cost\n1,a,0.5\n2,a,0.5\n", mapping)
    second = read(tmp_path, "cost,prompt,run\n0.75,b,1\n", mapping)
    assert first["record_key"][0] == second["record_key"][0] != first["record_key"][1]
    assert first["content_hash"][0] != second["content_hash"][0]
    without = read(tmp_path, "run,prompt,cost\n1,a,0.5\n2,a,0.5\n")
    assert without["content_hash"].to_list() == first["content_hash"].to_list()


def test_a_text_id_names_the_problem_when_the_mapping_says_so(tmp_path: Path) -> None:
    rows = "task_id,model,prompt\nt-1,a,x\nt-1,b,x\n"
    found = read(tmp_path, rows, 'task_group = "task_id"\n')
    assert found["task_group"].to_list() == ["t-1", "t-1"]
    assert found["external_id"].to_list() == ["t-1", "t-1"]
    assert found["record_key"].n_unique() == 2
    assert read(tmp_path, rows)["task_group"].to_list() == [None, None]


def test_two_projects_that_number_from_one_do_not_collide(tmp_path: Path) -> None:
    rows = "id,prompt,success\n1,Fix,true\n"
    shop = read(tmp_path, rows, '[constants]\nrepo = "shop"\n')
    bank = read(tmp_path, rows, '[constants]\nrepo = "bank"\n')
    assert shop["record_key"][0] != bank["record_key"][0]
    own = [
        read(tmp_path, f"id,repo,prompt,success\n1,{repo},Fix,true\n")["record_key"][0] for repo in ("a", "b")
    ]
    assert own[0] != own[1]
    outcomes = [
        read(tmp_path, f"id,prompt,success\n1,Fix,{word}\n")["record_key"][0] for word in ("true", "false")
    ]
    assert outcomes[0] == outcomes[1]


def test_a_second_file_is_joined_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text(
        '{"id": "1", "prompt": "Fix it", "other": 7}\n{"id": "9", "prompt": "x"}\n'
    )
    notes = Notes()
    rows = "id,model,success\n1,a,true\n2,a,true\n"
    mapping = '[join]\nfile = "texts.jsonl"\non = "id"\ncolumns = ["prompt"]\n'
    found = read(tmp_path, rows, mapping, notes)
    assert found["task_description"].to_list() == ["Fix it", ""]
    assert notes.n_unmatched == 1
    alone = read(tmp_path, rows)
    assert alone["content_hash"].to_list() == found["content_hash"].to_list()


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (None, "there is no texts.jsonl beside"),
        ('{"id": "1", "text": "a"}\n', "has no column 'prompt'"),
        (
            '{"id": "1", "prompt": "a"}\n{"id": "1", "prompt": "b"}\n',
            "stands in texts.jsonl with different texts",
        ),
    ],
)
def test_a_join_that_cannot_be_made_says_why(tmp_path: Path, texts: str | None, said: str) -> None:
    if texts is not None:
        (tmp_path / "texts.jsonl").write_text(texts)
    with pytest.raises(MappingError, match=said):
        read(
            tmp_path,
            "id,model,success\n1,a,true\n",
            '[join]\nfile="texts.jsonl"\non="id"\ncolumns=["prompt"]\n',
        )


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("colums = 1", r"my\.toml, colums: no such key; did you mean 'columns'"),
        ("[columns]\nmodle = 'm'", r"columns: an execution has no field 'modle'; did you mean 'model'"),
        (
            "[columns]\nmodel = 'modle'",
            r"columns\.model: .*runs\.csv has no column 'modle'; did you mean 'model'",
        ),
        (
            "[columns]\nactual_cost = {column='cost', unit='cent'}",
            r"no such unit: 'cent'; did you mean 'cents'",
        ),
        ("[columns]\nactual_cost = {column='cost', unitt='usd'}", r"no such key; did you mean 'unit'"),
        ("[columns]\nrepo = {column='model', pattern='('}", "no regular expression"),
        ("success = 'score >= '", r"success: condition 'score >= ', position 10"),
        ("success = 'skore >= 1'", r"success: .*has no column 'skore'"),
        ("success = 'cost > 0'\nsuccess_source = 'me'", "success_source: Input should be 'verifier'"),
        ("key = ['nr']", "key: .*has no column 'nr'"),
        ("task_group = 'grp'", "task_group: .*has no column 'grp'"),
        ("[unknown]\nactual_cost = 'x == 0'", r"unknown\.actual_cost: .*has no column 'x'"),
        ("[tiers]\nm = 'huge'", r"tiers\.m: Input should be 'small'"),
        ("[join]\nfile='../x'\non='a'\ncolumns=['b']", "is not beside the source"),
        ("[join]\nfile='/etc/passwd'\non='a'\ncolumns=['b']", "is not beside the source"),
        ("matches = ['nowhere']", "does not fit .*runs.csv: no column 'nowhere'"),
        ("[[table]]\nkey=['a']\n[other]\n", "beside \\[\\[table\\]\\] nothing else"),
        ("= 1", "is no TOML"),
        ("success = 1", "success: a condition is a text"),
    ],
)
def test_errors_name_the_mapping_the_key_and_the_near_miss(tmp_path: Path, mapping: str, said: str) -> None:
    with pytest.raises(MappingError, match=said) as caught:
        read(tmp_path, "model,cost\na,1\n", mapping)
    assert "\n" not in str(caught.value)


def test_a_packaged_mapping_is_found_by_name_and_by_its_columns() -> None:
    assert [mapping.name for mapping in packaged_mappings()] == ["coderouterbench"]
    with pytest.raises(MappingError, match="did you mean 'coderouterbench'"):
        load_mapping("coderouterbranch")
    with pytest.raises(MappingError, match="cannot be read"):
        load_mapping("missing/file.toml")
    assert mapping_for(["task_id", "model"])[0].name == ""
    table = load_mapping("coderouterbench").tables[1]
    assert mapping_for([*table.matches, "more"]) == (packaged_mappings()[0], table)


def test_names_with_signs_are_taken_as_they_are(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '*,^a.*$,"a ""b""",prompt\n1,2,3,x\n',
        "success = '`*` == 1 and `^a.*$` == 2'\n[columns]\nactual_cost = '^a.*$'\n",
    )
    assert found.select("success", "actual_cost").row(0) == (True, 2.0)
    assert found["metadata"][0] == '{"*":"1","a \\"b\\"":"3"}'


def test_every_error_is_one_of_ours() -> None:
    assert issubclass(MappingError, LearnlabError)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('key = ["b"]\njoin = {file = "b.csv", on = "a", columns = ["b"]}', "comes from the joined file"),
        ('join = {file = "**foo", on = "a", columns = ["b"]}', "no name or glob"),
        (f'join = {{file = "{"n" * 300}", on = "a", columns = ["b"]}}', "no name or glob"),
        ("a = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ('constants = {repo = "a\\u0000"}', "NUL"),
        ('tiers = {"a\\u0000" = "large"}', "NUL"),
    ],
)
def test_mappings_that_cannot_work_are_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(MappingError, match=said) as caught:
        load_mapping(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["~nouser-x/m.toml", "n" * 5000 + ".toml", "a\0b.toml"])
def test_paths_that_cannot_be_are_refused_in_one_line(path: str) -> None:
    with pytest.raises(MappingError):
        load_mapping(path)
    with pytest.raises(SourceError):
        find_files(path)


def test_lines_that_end_in_carriage_returns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(b"prompt,model\ra,m\rb,m\r")
    with pytest.raises(SourceError, match="carriage returns alone"):
        list(read_batches(path))


def test_a_column_called_like_a_constant_field_is_kept_apart(tmp_path: Path) -> None:
    mapping = 'columns = {model_tier = "success"}\nconstants = {success = "maybe"}'
    rows = read(tmp_path, "prompt,model,success\na,m,odd\n", mapping)
    assert json.loads(rows["metadata"][0]) == {"model_tier": "odd", "success": "maybe"}
