"""The world of the simulated fleet: every probability, cost and duration that its executions are drawn from.

A success is a coin toss whose log-odds are the sum of what the tables below say about tier, task type, repo,
pool, model and kind of solution, plus a jitter of each repo × task type × tier that comes with the seed.
Given these, attempts are independent: a retry fares no better and no worse than a first attempt there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learnlab.ingest.simulation.simulated_texts import texts

Floats = NDArray[np.float64]

PHASES = ("before", "after")
"""The two phases: before and after the drift."""

DRIFT_AT = 0.8
"""The share of the simulated days after which the drift happens."""

# fmt: off
#                     share, log-odds, size of its tasks, share of each pool (in POOLS' order)
REPOS = {
    "orchard-api":    (0.20,  0.25, 1.0, (0.50, 0.15, 0.10, 0.25)),
    "copper-billing": (0.15, -0.15, 1.2, (0.55, 0.20, 0.05, 0.20)),
    "kite-mobile":    (0.12, -0.30, 1.1, (0.40, 0.30, 0.10, 0.20)),
    "mill-pipeline":  (0.13,  0.00, 1.4, (0.25, 0.10, 0.30, 0.35)),
    "harbour-infra":  (0.10, -0.45, 0.8, (0.20, 0.10, 0.10, 0.60)),
    "quill-web":      (0.14,  0.40, 0.9, (0.50, 0.30, 0.05, 0.15)),
    "fathom-ml":      (0.08, -0.10, 1.6, (0.15, 0.10, 0.60, 0.15)),
    "latch-auth":     (0.08,  0.15, 0.9, (0.45, 0.25, 0.05, 0.25)),
}
#               share, log-odds, then what each tier adds;  tokens in, out;  seconds, files
TASK_TYPES = {
    "bugfix":   (0.26, -0.10, (-0.30, 0.10, 0.15), 22_000, 2_600, 95.0, 3),
    "refactor": (0.16,  0.05, (-0.25, 0.15, 0.05), 30_000, 5_200, 130.0, 6),
    "test":     (0.17,  0.25, (0.15, 0.05, -0.05), 16_000, 3_800, 80.0, 2),
    "docs":     (0.12,  0.60, (0.75, 0.10, -0.40), 9_000, 2_900, 40.0, 2),
    "feature":  (0.14, -0.40, (-0.80, -0.05, 0.40), 38_000, 8_000, 210.0, 7),
    "review":   (0.09,  0.30, (0.10, 0.10, 0.10), 18_000, 1_200, 45.0, 4),
    "optimize": (0.06, -0.55, (-0.60, 0.00, 0.45), 27_000, 4_100, 160.0, 3),
}
#             log-odds, seconds' factor, the router's liking, estimate ÷ true cost
TIERS = {
    "small":  (0.35, 0.6, 0.0, 1.30),
    "medium": (1.05, 1.0, 0.6, 1.00),
    "large":  (1.60, 1.5, 0.2, 0.70),
}
#              tier, share within it, log-odds, US dollars a million tokens in, out
MODELS = {
    "swift-1": ("small", 0.4, -0.20, 0.20, 0.90),
    "swift-2": ("small", 0.6, 0.15, 0.30, 1.20),
    "ember-3": ("medium", 0.7, 0.05, 2.50, 11.0),
    "ember-4": ("medium", 0.3, 0.20, 3.00, 14.0),
    "atlas-5": ("large", 0.5, 0.00, 12.0, 60.0),
    "atlas-6": ("large", 0.5, 0.15, 15.0, 70.0),
}
#                  log-odds, seconds' factor
POOLS = {
    "mahavishnu":     (0.05, 1.0),
    "session-buddy":  (0.00, 0.8),
    "runpod":         (-0.10, 1.3),
    "kubernetes":     (0.00, 1.1),
}
#              log-odds and share of tries of each kind of solution, in SOLUTION_KINDS' order
SOLUTIONS = ((0.90, 0.35), (0.00, 0.45), (-1.30, 0.20))
# fmt: on

SOLUTION_SHARE = np.array([share for _, share in SOLUTIONS])
"""The share of tries of each kind of solution."""

JITTER = 0.25
"""Standard deviation of the seeded log-odds of each repo × task type × tier."""

TIER_DRIFT = ("medium", "bugfix", -1.5)
"""After the drift this tier loses this much log-odds on this task type."""

POOL_DRIFT = ("runpod", 1.8)
"""After the drift everything in this pool takes this many times as long."""

COST_DRIFT = ("large", 1.25)
"""After the drift this tier costs this many times as much, and the estimates do not know it."""

DURATION_SPREAD, INPUT_SPREAD, OUTPUT_SPREAD, ESTIMATE_SPREAD = 0.6, 0.7, 0.5, 0.25
"""Standard deviations of the logarithms of durations, tokens and cost estimates: all are log-normal."""

CACHED_SHARE, CACHED_PRICE = 0.4, 0.1
"""The mean share of input tokens that come from the cache, and what they cost of the full price."""

VERDICT_RATE = 0.92
"""The probability that the verdict on an execution is known; it does not depend on the verdict."""

RETRY_RATE = 0.6
"""The probability that a known failure below the large tier is tried again, one tier up."""

ANSWER_RATES = {True: 0.08, False: 0.30}
"""The probability that somebody gives feedback, by the true outcome: failures are over-reported."""

SATISFACTION = {True: (0.45, 0.40, 0.10, 0.05), False: (0.02, 0.13, 0.35, 0.50)}
"""The probabilities of excellent, good, fair and poor among the answers, by the true outcome."""

ACCEPTED_RATES = {True: 0.95, False: 0.15}
"""The probability that an answer says the result was accepted, by the true outcome."""

LEVELS = ("excellent", "good", "fair", "poor")
"""The levels of satisfaction; they are worth 5, 4, 3 and 2."""


@dataclass(frozen=True)
class World:
    """The truth as arrays; axes: repo, task type, tier, pool, phase, model (of its tier), kind of solution."""

    task_share: Floats
    """(repo, task type): the share of tasks."""
    topic_share: Floats
    """(repo, task type, topic): the share of each topic among the tasks there; topics do not change odds."""
    policy: Floats
    """(repo, task type, tier): the probability with which the router chooses a tier."""
    pool_share: Floats
    """(repo, pool): the share of tasks that run in a pool."""
    model_share: Floats
    """(tier, model): the share of a model among its tier's executions."""
    success: Floats
    """All seven axes: the probability of success."""
    input_tokens: Floats
    """(repo, task type): mean input tokens."""
    output_tokens: Floats
    """(repo, task type): mean output tokens."""
    price: Floats
    """(tier, model, in or out): US dollars a token."""
    price_factor: Floats
    """(tier, phase): the factor by which the drift changes costs."""
    median_seconds: Floats
    """(repo, task type, tier, pool, phase): median duration."""

    @property
    def mean_cost(self) -> Floats:
        """(repo, task type, tier, model, phase): mean cost in US dollars."""
        paid = 1 - CACHED_SHARE * (1 - CACHED_PRICE)
        into = self.input_tokens[:, :, None, None] * paid * self.price[..., 0]
        cost = into + self.output_tokens[:, :, None, None] * self.price[..., 1]
        return np.asarray(cost[..., None] * self.price_factor[:, None, :])

    @property
    def context_success(self) -> Floats:
        """(repo, task type, tier, pool, phase): the probability of success over models and solutions."""
        return np.asarray(np.einsum("rtkphms,km,s->rtkph", self.success, self.model_share, SOLUTION_SHARE))

    @property
    def first_share(self) -> Floats:
        """(repo, task type, tier, pool): the share of first attempts, under the router's policy."""
        return np.asarray(np.einsum("rt,rtk,rp->rtkp", self.task_share, self.policy, self.pool_share))

    @property
    def share(self) -> Floats:
        """(repo, task type, tier, pool, phase): the share of executions in a phase, retries included."""
        attempt = np.repeat(self.first_share[..., None], len(PHASES), axis=-1)
        total = attempt.copy()
        for _ in range(len(TIERS) - 1):
            failed = attempt * (1 - self.context_success) * VERDICT_RATE * RETRY_RATE
            attempt = np.zeros_like(failed)
            attempt[:, :, 1:] = failed[:, :, :-1]
            total += attempt
        return np.asarray(total / total.sum(axis=(0, 1, 2, 3)))


def world(seed: int = 0) -> World:
    """Return the true state of the fleet that a seed stands for.

    >>> world(0).policy.sum(axis=2).round(12).min()
    np.float64(1.0)
    """
    rng = np.random.default_rng([seed, 0])
    repos, types = list(REPOS.values()), list(TASK_TYPES.values())
    tiers, pools = list(TIERS.values()), list(POOLS.values())
    n_repos, n_types, n_tiers = len(repos), len(types), len(tiers)

    context = np.array([tier[0] for tier in tiers]) + np.array([kind[2] for kind in types])
    context = context + np.array([kind[1] for kind in types])[:, None]
    context = context + np.array([repo[1] for repo in repos])[:, None, None]
    context = context + rng.normal(0, JITTER, (n_repos, n_types, n_tiers))

    ease = context.mean(axis=2, keepdims=True) - context.mean()
    odds = np.exp(np.array([tier[2] for tier in tiers]) + 1.5 * ease * np.array([1.0, 0.0, -1.0]))
    policy = np.round(0.1 + 0.7 * odds / odds.sum(axis=2, keepdims=True), 3)
    policy[..., -1] = np.round(1 - policy[..., :-1].sum(axis=2), 3)

    of_tier = [[model for model in MODELS.values() if model[0] == name] for name in TIERS]
    model_odds = np.array([[model[2] for model in models] for models in of_tier])
    log_odds = context[:, :, :, None, None, None, None] + model_odds[:, None, None, :, None]
    log_odds = log_odds + np.array([pool[0] for pool in pools])[:, None, None, None]
    log_odds = log_odds + np.array([odds for odds, _ in SOLUTIONS])
    log_odds = np.repeat(log_odds, len(PHASES), axis=4)
    tier, task_type, loss = TIER_DRIFT
    log_odds[:, list(TASK_TYPES).index(task_type), list(TIERS).index(tier), :, 1] += loss

    size = np.array([repo[2] for repo in repos])
    seconds = np.einsum("r,t,k,p->rtkp", size, *([row[i] for row in table] for table, i in (
        (types, 5), (tiers, 1), (pools, 1))))  # fmt: skip
    seconds = np.repeat(seconds[..., None], len(PHASES), axis=-1)
    seconds[..., list(POOLS).index(POOL_DRIFT[0]), 1] *= POOL_DRIFT[1]
    price_factor = np.ones((n_tiers, len(PHASES)))
    price_factor[list(TIERS).index(COST_DRIFT[0]), 1] = COST_DRIFT[1]

    n_topics = len(next(iter(texts()["topics"].values())))
    return World(
        task_share=np.outer([repo[0] for repo in repos], [kind[0] for kind in types]),
        topic_share=rng.dirichlet(np.full(n_topics, 3.0), (n_repos, n_types)),
        policy=policy,
        pool_share=np.array([repo[3] for repo in repos]),
        model_share=np.array([[model[1] for model in models] for models in of_tier]),
        success=1 / (1 + np.exp(-log_odds)),
        input_tokens=np.outer(size, [kind[3] for kind in types]),
        output_tokens=np.outer(size, [kind[4] for kind in types]),
        price=np.array([[model[3:5] for model in models] for models in of_tier]) / 1e6,
        price_factor=price_factor,
        median_seconds=seconds,
    )
