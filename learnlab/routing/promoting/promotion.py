"""Training and promotion: a new fit comes into use only when later data say that it is better than what is in use."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np

from learnlab.errors import RoutingError
from learnlab.routing.baselines import Lookup
from learnlab.routing.keeping import registry
from learnlab.routing.keeping.kept import Kept, WithHistory, new
from learnlab.routing.keeping.registry import NOT_PROMOTED, PROMOTED, ROLLED_BACK, WORTH_USD, Fit, Registered
from learnlab.routing.narrowing import tries_of
from learnlab.routing.preference import PriceOfQuality
from learnlab.routing.promoting.judge import Compared, judge
from learnlab.routing.promoting.promoted import Promotion, why
from learnlab.routing.promoting.reference import best_baseline
from learnlab.routing.reading import Reads, checked_fields, fullest_key
from learnlab.routing.router import Fitted, Router
from learnlab.routing.splits import Split, by_time, without_near_duplicates
from learnlab.routing.tries import Tries
from learnlab.store import Store
from learnlab.store.connection import transaction

_ROUNDS = 3
_N_FORGOTTEN = "select count(*) from ledger where kind = 'forget'"


@dataclass(frozen=True)
class Trial:
    """What a decision on promotion is made on: the tries learned from and judged by, the fit, what it had to beat.

    `champion` is None where the fit is the router in use already.
    """

    split: Split
    fitted: Kept
    champion: Fitted | None
    promotion: Promotion


def train_router(
    db: str | Path | Store = "",
    router: str | Router = "sona",
    *,
    worth_usd: float = WORTH_USD,
    candidates: tuple[str, ...] = ("model_tier",),
    quality: str = "success",
    encoder_key: str | None = None,
) -> Promotion:
    """Fit a router on the earlier part of a store, judge it on the later, and let it come into use if it is better.

    It is compared with the router in use or, where none is, with the baseline that did best within the earlier
    part. What is judged is later than all that either learned from, and shares no problem and no near-duplicate with
    it. It is promoted when the 95 % interval of what a task gains lies above 0 (worth times quality, less cost, US
    dollars); it is then the very fit that was judged that comes into use. Either way the decision is kept in the
    store. The store is held to read and to write, not between; when another router came into use meanwhile, it is
    judged against that one.

    Raises:
        RoutingError: when there is nothing to learn from or to judge by, the router cannot be kept, or the store
            changes each time that it is judged.
        StoreError: when there is no such store, or it cannot be written.

    >>> print(train_router("sample", "lookup").summary())  # doctest: +SKIP
    """
    return trial(
        db,
        router,
        worth_usd=worth_usd,
        candidates=candidates,
        quality=quality,
        encoder_key=encoder_key,
        is_kept=True,
    ).promotion


def trial(
    db: str | Path | Store = "",
    router: str | Router = "sona",
    *,
    worth_usd: float = WORTH_USD,
    candidates: tuple[str, ...] = ("model_tier",),
    quality: str = "success",
    encoder_key: str | None = None,
    is_kept: bool = False,
) -> Trial:
    """Return what `train_router` decides and what it decides by; unless it is kept, nothing is written or comes into use.

    Raises:
        RoutingError: as `train_router`.
        StoreError: as `train_router`.
    """
    store = Store(db.path if isinstance(db, Store) else db)  # what is kept for all is learned as all may see
    wanted = new(router) if isinstance(router, str) else router
    key = fullest_key(store) if encoder_key is None else encoder_key
    reads = Reads(checked_fields(candidates), quality, key)
    preference = PriceOfQuality(worth_usd)
    for _ in range(_ROUNDS):
        done = _Training(store, wanted, reads, preference, is_kept).decided()
        if done is not None:
            return done
    raise RoutingError(
        f"{store.name}: something was forgotten or another router came into use each time: train again"
    )


def rollback_router(db: str | Path | Store = "") -> Promotion:
    """Put the router that was in use before back into use, and keep that decision in the store.

    Rolled back again it is the one before that, at last none: then the best single candidate is chosen.

    Raises:
        RoutingError: when no router is in use.
        StoreError: when there is no such store, or it cannot be written.
    """
    store = db if isinstance(db, Store) else Store(db)
    with store.writing() as connection, transaction(connection):
        *_, now_in_use = stack = registry.before(connection)
        if now_in_use is None:
            raise RoutingError(f"{store.name}: no router is in use, so there is none to roll back")
        back = stack[-2]
        reason = f"{now_in_use} was taken out of use; {back or 'no router'} was in use before"
        done = Promotion(ROLLED_BACK, reason, champion=now_in_use, in_use=back)
        registry.note(connection, done.row())
    return done


@dataclass
class _Training:
    """One round: what the store holds, what was fitted on it, and what was found."""

    store: Store
    router: Router
    reads: Reads
    preference: PriceOfQuality
    is_kept: bool
    n_forgotten: int = field(init=False)
    in_use: Registered | None = field(init=False)
    trouble: str = field(init=False, default="")

    def decided(self) -> Trial | None:
        """Return the decision, written down if it is to be kept; None when the store changed under it."""
        with self.store.reading() as connection:
            self.n_forgotten = _n_forgotten(connection)
            self.in_use = self._champion(connection)
            tries = self.reads.tries(self.store)
        if not len(tries):
            raise RoutingError(
                f"{self.store.name} holds no tries of {' and '.join(self.reads.candidates)} to learn from"
            )
        split = self._split(tries)
        fitted = self.router.fit(split.learned)
        if not isinstance(fitted, Kept):
            raise RoutingError(
                f"a router of the kind {fitted.name} cannot be kept: it describes itself by no arrays"
            )
        fit = registry.fit_of(fitted, split.learned, self.reads)
        version = self.in_use.router_version if self.in_use else None
        if fit.router_version == version:
            reason = "the same data make the router that is in use already"
            same = Promotion(NOT_PROMOTED, reason, version, version, version)
            return self._written(fit, Trial(split, fitted, None, same))
        champion, name = self._opponent(split)
        found = judge(split.judged, fitted, champion, self.preference, Lookup())
        return self._written(fit, Trial(split, fitted, champion, self._decision(fit, name, found)))

    def _champion(self, connection: duckdb.DuckDBPyConnection) -> Registered | None:
        """Return the router in use; None where none is, or where it cannot be read any more."""
        version = registry.in_use(connection)
        try:
            return registry.load(connection, version) if version else None
        except RoutingError as error:
            self.trouble = f" ({error})"
            return None

    def _split(self, tries: Tries) -> Split:
        """Return the tries up to a time and those after it, which the router in use has not learned from either."""
        tries = without_near_duplicates(tries)
        known = tries.started_at[~np.isnat(tries.started_at)]
        share = 0.8
        if self.in_use and self.in_use.learned_until and len(known):
            until = np.datetime64(self.in_use.learned_until)
            share = max(share, float((known <= until).mean()))
            if share == 1:
                raise RoutingError(
                    f"{self.store.name} holds nothing later than {self.in_use.learned_until:%Y-%m-%d %H:%M} UTC, up to "
                    "when the router in use has learned: there is nothing to judge another by"
                )
        return by_time(tries, share)

    def _opponent(self, split: Split) -> tuple[Fitted, str]:
        """Return what the new fit has to beat, and what to call it."""
        if self.in_use:
            router = self.in_use.router
            if isinstance(router, WithHistory):
                return router.with_history(
                    tries_of(split.learned, router.candidates)
                ), self.in_use.router_version
            return router, self.in_use.router_version
        best = best_baseline(split.learned, self.preference, self.router.name)
        return best.fit(split.learned), best.name

    def _decision(self, fit: Fit, champion: str, found: Compared) -> Promotion:
        is_better = found.is_better
        current = self.in_use.router_version if self.in_use else None
        return Promotion(
            decision=PROMOTED if is_better else NOT_PROMOTED,
            reason=why(fit.router_version, champion, found) + self.trouble,
            challenger=fit.router_version,
            champion=champion,
            in_use=fit.router_version if is_better else current,
            judged_by=found.judged_by,
            worth_usd=self.preference.worth_usd,
            gain=found.gain,
        )

    def _written(self, fit: Fit, found: Trial) -> Trial | None:
        if not self.is_kept:
            return found
        done = found.promotion
        judged_against = self.in_use.router_version if self.in_use else None
        with self.store.writing() as connection, transaction(connection):
            champion = self._champion(connection)
            if (champion.router_version if champion else None) != judged_against:
                return None
            if _n_forgotten(connection) != self.n_forgotten:
                return None
            if done.is_promoted:
                registry.keep(connection, fit)
            registry.note(connection, done.row())
        return found


def _n_forgotten(connection: duckdb.DuckDBPyConnection) -> int:
    ((n,),) = connection.execute(_N_FORGOTTEN).fetchall()
    return int(n)
