"""The bundled sample: a simulated fleet in a store of its own, made when somebody first needs it."""

from __future__ import annotations

from learnlab.errors import StoreError
from learnlab.ingest.simulated_truth import Truth, truth
from learnlab.ingest.simulator import simulate
from learnlab.store import Counts, Store, connection
from learnlab.store.frames import conform

SAMPLE = "sample"
SAMPLE_SEED = 0
_BATCH = 122_880


def simulate_into(store: Store, n: int = 20_000, seed: int = SAMPLE_SEED) -> Counts:
    """Store a simulated fleet with its routing decisions; what is there already counts once.

    Raises:
        StoreError: when the store cannot be written.
    """
    fleet = simulate(n, seed)
    executions, _ = conform(fleet.executions)
    counts = Counts()
    for batch in executions.iter_slices(_BATCH):
        counts += store.add(batch, source="simulator", mapping=f"seed {seed}", kind="simulation")
    with store.writing() as open_store, connection.lent(open_store, decisions=fleet.decisions):
        names = ", ".join(fleet.decisions.columns)
        open_store.execute(f"insert or ignore into routing_decisions ({names}) select {names} from decisions")
    return counts


def ensure_sample(store: Store) -> None:
    """Make the sample when it is the store that is wanted and there is none yet.

    Raises:
        StoreError: when another store is wanted that does not exist.
    """
    if store.name == SAMPLE and (not store.exists() or not len(store.ensure().sql("from ledger limit 1"))):
        simulate_into(store.ensure())
    elif not store.exists():
        raise StoreError(
            f"there is no store {store.name!r}: fill it with `learnlab ingest FILE --db {store.name}`"
        )
    else:
        store.ensure()


def simulated_truth() -> Truth:
    """Return what is true of the bundled sample: rates, costs, durations, drift and who answers.

    >>> simulated_truth().tiers["model_tier"].unique().sort().to_list()
    ['large', 'medium', 'small']
    """
    return truth(seed=SAMPLE_SEED)
