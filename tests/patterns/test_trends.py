from __future__ import annotations

import polars as pl
import pytest

from learnlab.patterns.trends import trends


def trend(*rows, n_recent=3000, n_before=7000):
    names = ("u_recent", "u_before", "n_recent", "n_before", "x_recent", "x_before")
    return trends(pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows]), n_recent, n_before)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((300, 700, 300, 700, 240, 560), "steady"),
        ((300, 700, 300, 700, 120, 560), "drifting"),
        ((300, 700, 300, 700, 290, 400), "drifting"),
        ((30, 700, 30, 700, 24, 560), "dying"),
        ((0, 700, 0, 700, 0, 560), "dying"),
        ((170, 700, 170, 700, 136, 560), "steady"),  # fewer uses, but perhaps more than half as many
        ((12, 28, 12, 28, 9, 22), "too few to tell"),
        ((300, 700, 9, 700, 0, 560), "too few to tell"),
        ((300, 0, 300, 0, 240, 0), "too few to tell"),
    ],
)
def test_what_the_recent_weeks_say(row, told):
    found = trend(row).row(0, named=True)
    assert found["trend"] == told
    if row[2] and row[3]:
        assert found["rate_change"] == pytest.approx(row[4] / row[2] - row[5] / row[3])
    else:
        assert found["rate_change"] is None


def test_a_quiet_month_is_no_trend():
    row = (30, 700, 30, 700, 24, 560)
    assert trend(row, n_recent=300)["trend"].item() != "dying"


def test_one_change_among_many_is_believed_less_readily():
    changed, same = (60, 140, 60, 140, 36, 108), (300, 700, 300, 700, 240, 560)
    assert trend(changed)["trend"].item() == "drifting"
    assert trend(changed, *[same] * 40)["trend"][0] != "drifting"


def test_without_times_nothing_is_told():
    assert trend((0, 0, 0, 0, 0, 0), n_recent=0, n_before=0)["trend"].item() == "too few to tell"
