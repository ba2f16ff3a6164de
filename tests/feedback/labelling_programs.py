"""Programs that label, side by side or to be killed: `python tests/feedback/labelling_programs.py NAME ARG …`."""

from __future__ import annotations

import json
import sys
import time

from learnlab.feedback.labelling.session import LabelingSession


def say(*facts: object) -> None:
    """Tell the test something: one line of JSON."""
    print(json.dumps(facts), flush=True)


def work(store: str, author: str, *queues: str) -> None:
    """Label one queue after another until every item has its labels, and say of each what was acknowledged."""
    deadline = time.monotonic() + 300
    for queue in queues:
        session = LabelingSession(queue, store, author=author)
        while session.progress.n_done < session.progress.n_items and time.monotonic() < deadline:
            if session.item is None:
                time.sleep(0.03)
                session.look_again()
                continue
            say(queue, session.label({"success": "yes"}).item.task_id)
        session.close()


def begin(store: str, author: str, queue: str, *others: str) -> None:
    """Label two items of a queue, skip one, label another, hold on to the next, and work at other queues."""
    session = LabelingSession(queue, store, author=author)
    for answer in ("yes", "no", None, "unknown"):
        given = session.label({"success": answer}) if answer else session.skip()
        say(queue, given.item.task_id, answer)
    say(queue, session.item.task_id, "in hand")
    work(store, author, *others)


if __name__ == "__main__":
    {"work": work, "begin": begin}[sys.argv[1]](*sys.argv[2:])
