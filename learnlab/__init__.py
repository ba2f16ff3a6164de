"""learnlab learns from what AI agents did: logs in, one DuckDB file, answers in notebooks and reports.

The names below are the public ones; each is loaded when it is first used, so the import is quick.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "LearnlabError": "learnlab.errors",
    "PUBLIC": "learnlab.people",
    "TEAM": "learnlab.people",
    "FeedbackCapturer": "learnlab.feedback.asking.capturer",
    "LabelingSession": "learnlab.feedback.labelling.session",
    "LabelingWidget": "learnlab.feedback.labelling.widget",
    "open_queue": "learnlab.feedback.labelling.queues",
    "EXPERT": "learnlab.feedback.labelling.schemas",
    "OUTCOME": "learnlab.feedback.labelling.schemas",
    "LabelSchema": "learnlab.feedback.labelling.schemas",
    "Question": "learnlab.feedback.labelling.schemas",
    "FeedbackSubmission": "learnlab.people",
    "Viewer": "learnlab.people",
    "me": "learnlab.people",
    "rate": "learnlab.feedback.asking.form",
    "adjudicate": "learnlab.feedback.agreement.adjudication",
    "disagreements": "learnlab.feedback.agreement.adjudication",
    "export_labels": "learnlab.feedback.files.exporting",
    "import_labels": "learnlab.feedback.files.importing",
    "Candidate": "learnlab.events",
    "ErrorType": "learnlab.models",
    "ExecutionRecord": "learnlab.models",
    "Message": "learnlab.events",
    "MessageType": "learnlab.events",
    "PoolEvent": "learnlab.events",
    "RoutingDecision": "learnlab.events",
    "SuccessSource": "learnlab.models",
    "Tier": "learnlab.models",
    "TOO_FEW": "learnlab.intervals",
    "Interval": "learnlab.intervals",
    "bootstrap": "learnlab.intervals",
    "paired_bootstrap": "learnlab.intervals",
    "wilson": "learnlab.intervals",
    "Counts": "learnlab.store",
    "LearningDatabase": "learnlab.database",
    "Store": "learnlab.store",
    "query": "learnlab.store",
    "sql": "learnlab.store",
    "view": "learnlab.store",
    "view_together": "learnlab.store",
    "Found": "learnlab.search.found",
    "encode_waiting": "learnlab.search.index.backlog",
    "find_similar": "learnlab.search.similar",
    "find_similar_batch": "learnlab.search.similar",
    "similar_to": "learnlab.search.similar",
    "Mined": "learnlab.patterns",
    "mine_patterns": "learnlab.patterns",
    "mined_patterns": "learnlab.patterns",
    "AboveFloor": "learnlab.routing.preference",
    "PriceOfQuality": "learnlab.routing.preference",
    "WithinBudget": "learnlab.routing.preference",
    "RoutingService": "learnlab.routing.deciding.online",
    "Sona": "learnlab.routing.sona",
    "baselines": "learnlab.routing.baselines",
    "promotions": "learnlab.routing.keeping.registry",
    "read_tries": "learnlab.routing.reading",
    "rollback_router": "learnlab.routing.promoting.promotion",
    "route": "learnlab.routing.deciding.online",
    "routers": "learnlab.routing.keeping.registry",
    "train_router": "learnlab.routing.promoting.promotion",
    "LearnlabSpanProcessor": "learnlab.capture.spans.processor",
    "MessageBus": "learnlab.capture.messages.bus",
    "TelemetryCapture": "learnlab.capture.telemetry",
    "capture_pool": "learnlab.capture.wrapping.pools",
    "captured": "learnlab.capture.wrapping.calls",
    "capturing": "learnlab.capture.wrapping.calls",
    "orchestrate": "learnlab.capture.example.orchestrator",
    "simulate": "learnlab.ingest.simulation.simulator",
    "simulated_truth": "learnlab.ingest.simulation.sample",
    "SearchBox": "learnlab.reports.search_box",
    "success_rules": "learnlab.reports.rules",
    "register_tools": "learnlab.tools.registering",
    "publish": "learnlab.reports.publish",
    "say": "learnlab.reports.publish",
    "stop_if_empty": "learnlab.reports.publish",
    "table": "learnlab.reports.publish",
}
_PAGES = (
    "charts",
    "estimates",
    "sentences",
    "session_charts",
    "session_estimates",
    "session_sentences",
    "live",
    "live_charts",
    "live_sentences",
    "capture_sentences",
    "search_asking",
    "search_charts",
    "search_estimates",
    "search_sentences",
    "pattern_charts",
    "pattern_estimates",
    "pattern_sentences",
    "counterfactual_charts",
    "counterfactual_estimates",
    "counterfactual_sentences",
    "labelling",
    "labelling_charts",
    "labelling_sentences",
    "feedback_charts",
    "feedback_estimates",
    "feedback_sentences",
    "continual_charts",
    "continual_estimates",
    "continual_sentences",
    "routing_charts",
    "routing_estimates",
    "routing_judgements",
    "routing_sentences",
    "agreement_charts",
    "agreement_estimates",
    "agreement_sentences",
)
_MODULES = {name: f"learnlab.reports.{name}" for name in _PAGES}

__all__ = [*_HOME, *_MODULES]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOME:
        raise AttributeError(f"learnlab has no name {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
