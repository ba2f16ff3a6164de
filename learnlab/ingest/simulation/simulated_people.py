"""What the simulated fleet's people gave, as pieces of feedback in a store: their ratings, and their labels."""

from __future__ import annotations

import polars as pl

from learnlab.ingest.simulation.simulated_labels import labels, open_simulated
from learnlab.ingest.simulation.simulated_world import LEVELS
from learnlab.ingest.simulation.simulator import Fleet
from learnlab.models import now
from learnlab.people import COLUMNS, RATING, Via
from learnlab.store import Store, feedback, ledger
from learnlab.store.connection import transaction

GIVEN = "simulated_feedback"
"""The name of the source in the ledger."""

ON_EXECUTIONS = ("user_rating", "user_accepted")
"""Columns of a fleet's executions that repeat what people said."""

_TAKE_OFF = """
update executions set user_rating = null, user_accepted = null
where source = 'simulator' and (user_rating is not null or user_accepted is not null)
"""


def give_simulated(store: Store, fleet: Fleet) -> None:
    """Keep what a fleet's people gave, and the queue that some of them labelled; what is there already counts once.

    An older store has it on the executions as well, for everybody to see: it is taken off there.

    Raises:
        StoreError: when the store cannot be written.
    """
    rated, labelled = ratings(fleet), as_given(labels(fleet))
    moment = now().replace(tzinfo=None)
    with store.writing() as connection, transaction(connection):
        connection.execute(_TAKE_OFF)
        open_simulated(connection, fleet)
        feedback.keep(connection, rated, moment)
        feedback.keep(connection, labelled, moment)
        ledger.note(connection, "simulation", moment, {}, source=GIVEN)


def ratings(fleet: Fleet) -> pl.DataFrame:
    """Return a fleet's ratings with the columns under which feedback is kept, a row a rating."""
    said = fleet.feedback.join(fleet.executions.select("task_id", accepted="user_accepted"), on="task_id")
    worth = {level: 5 - place for place, level in enumerate(LEVELS)}
    return as_given(
        said.with_columns(
            feedback_type=pl.lit(RATING),
            rating=pl.col("satisfaction").replace_strict(worth, return_dtype=pl.Int64),
            issues=pl.concat_str(pl.lit('["'), pl.col("issues").list.join('","'), pl.lit('"]')).replace(
                '[""]', "[]"
            ),
        )
    )


def as_given(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with every column under which feedback is kept, given through the simulator."""
    absent = [
        pl.lit(None, dtype=pl.String).alias(name) for name in COLUMNS if name not in (*frame.columns, "via")
    ]
    return frame.with_columns(*absent, via=pl.lit(Via.SIMULATOR.value)).select(COLUMNS)
