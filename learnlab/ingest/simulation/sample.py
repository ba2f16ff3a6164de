"""The bundled sample: a simulated fleet and agents' sessions in a store of their own, made when first needed."""

from __future__ import annotations

from learnlab.errors import StoreError
from learnlab.ingest.assemble import assemble
from learnlab.ingest.simulation import simulated_sessions as sessions
from learnlab.ingest.simulation.simulated_people import GIVEN, ON_EXECUTIONS, give_simulated
from learnlab.ingest.simulation.simulated_truth import Truth, truth
from learnlab.ingest.simulation.simulator import simulate
from learnlab.store import Counts, Store, connection
from learnlab.store.frames import conform

SAMPLE = "sample"
SAMPLE_SEED = 0
_BATCH = 122_880
_N_SIMULATED = """
select coalesce(sum(n_accepted), 0) as n from ledger where source = 'simulator' and mapping = $mapping
"""


def simulate_into(store: Store, n: int = 20_000, seed: int = SAMPLE_SEED) -> Counts:
    """Store a simulated fleet with its routing decisions, people's ratings and labels; what is there counts once.

    What people say stands in their feedback alone: on the executions it would show what they keep to themselves.

    Raises:
        StoreError: when the store cannot be written.
    """
    fleet = simulate(n, seed)
    executions, _ = conform(fleet.executions.drop(*ON_EXECUTIONS))
    counts = Counts()
    for batch in executions.iter_slices(_BATCH):
        counts += store.add(batch, source="simulator", mapping=f"seed {seed}", kind="simulation")
    with store.writing() as open_store, connection.lent(open_store, decisions=fleet.decisions):
        names = ", ".join(fleet.decisions.columns)
        open_store.execute(f"insert or ignore into routing_decisions ({names}) select {names} from decisions")
    give_simulated(store, fleet)
    return counts


def simulate_sessions_into(store: Store, seed: int = SAMPLE_SEED) -> Counts:
    """Store a simulated history of agents' sessions with the steps inside them; what is there counts once.

    Raises:
        StoreError: when the store cannot be written.
    """
    batch = assemble(sessions.simulated_sessions(seed), sessions.NAME, sessions.NAME)
    store.set_tiers({name: tier.value for name, tier in sessions.TIERS.items()})
    return store.add(
        batch.executions,
        batch.rejected,
        steps=batch.steps,
        kinds=batch.kinds,
        source=sessions.NAME,
        mapping=f"seed {seed}",
        kind="simulation",
    )


def ensure_sample(store: Store) -> None:
    """Make the sample, or what is missing of it, when it is the store that is wanted.

    Raises:
        StoreError: when another store is wanted that does not exist.
    """
    if store.name != SAMPLE and not store.exists():
        raise StoreError(
            f"there is no store {store.name!r}: fill it with `learnlab ingest FILE --db {store.name}`"
        )
    store.ensure()
    if store.name == SAMPLE:
        known = store.sql("select source from ledger")["source"]
        if not len(known):
            simulate_into(store)
        elif GIVEN not in known:
            n = int(store.sql(_N_SIMULATED, {"mapping": f"seed {SAMPLE_SEED}"}).item())
            give_simulated(store, simulate(n, SAMPLE_SEED))
        if sessions.NAME not in known:
            simulate_sessions_into(store)


def simulated_truth() -> Truth:
    """Return what is true of the bundled sample: rates, costs, durations, drift and who answers.

    >>> simulated_truth().tiers["model_tier"].unique().sort().to_list()
    ['large', 'medium', 'small']
    """
    return truth(seed=SAMPLE_SEED)
