from __future__ import annotations

import pytest
from click.testing import CliRunner
from routing_stores import crossed, fill
from routing_worlds import all_tried

from learnlab.cli import main
from learnlab.routing.baselines import best_single
from learnlab.routing.keeping import registry
from learnlab.routing.promoting import reference


def call(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output


def test_training_routing_listing_and_rolling_back(store, monkeypatch):
    monkeypatch.setattr(reference, "baselines", lambda: (best_single(),))
    db = ("--db", store.path)
    assert "no router is kept: the best single candidate is chosen" in call("routers", "list", *db)
    assert "holds no tries of model_tier" in call("train", "--router", "lookup", *db, code=1)
    fill(store, all_tried(crossed(100)))
    said = call("train", "--router", "lookup_by_repo", "--worth-usd", 3, *db)
    version = registry.loaded(store).router_version
    assert said.startswith(f"promoted: {version} against best_single on 20 later groups of tasks: better")
    assert said.endswith(f"in use: {version}\n")

    task = (
        "Describe it",
        "--task-type",
        "Documentation",
        "--repo",
        "shop",
        "--task-id",
        "t1",
        "--explore",
        0,
    )
    said = call("route", *task, *db)
    assert said.startswith("small: the best where a success is worth 3 US dollars; lookup_by_repo expects 8")
    assert f"chosen with probability 1.00, by {version}\ntask t1\n" in said
    assert "small: the best that is expected to cost at most 0.5" in call(
        "route", *task, "--budget-usd", 0.5, *db
    )
    assert "medium: the only candidate" in call("route", *task, "--candidate", "medium", *db)
    assert "the cheapest of which a success of 20%" in call("route", *task, "--floor", 0.2, *db)
    assert (
        store.sql("select count(*) from routing_decisions where router_version = $v", {"v": version}).item()
        == 4
    )

    assert f"{version}  in use: learned from 240 tries" in call("routers", "list", *db)
    assert "in use: no router: the best single candidate" in call("routers", "rollback", *db)
    listed = call("routers", "list", *db)
    assert f"{version}  kept: learned from 240 tries" in listed
    assert "rolled back: " in listed
    assert "no router is in use" in call("routers", "rollback", *db, code=1)


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (
            ("route", "x", "--floor", "0.5", "--budget-usd", "1"),
            "say one of --worth-usd, --budget-usd and",
            2,
        ),
        (("route", "x", "--candidate", "small", "--explore", "often"), "explore is 'often'", 1),
        (("route", "x", "--candidate", "unknown"), "can not be chosen", 1),
        (("train", "--router", "os"), "no kind of router is called 'os'", 1),
        (("train", "--router", "lookup", "--candidates", "repo"), "candidates are made of", 1),
        (("train", "--router", "lookup", "--worth-usd", "nan"), "what a success is worth is nan", 1),
    ],
)
def test_what_cannot_be_asked_is_one_line(store, words, message, code):
    assert message in call(*words, "--db", store.path, code=code)
