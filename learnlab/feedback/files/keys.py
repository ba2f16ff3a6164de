"""Keys that stand for pieces of feedback outside their store: the same as their column feedback_key."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID


def key_of(feedback_id: UUID) -> UUID:
    """Return the key of a piece of feedback; a key, whose 13th digit is f, stands for itself.

    >>> key = key_of(UUID(int=7))
    >>> str(key)[14], key_of(key) == key
    ('f', True)
    """
    if is_key(feedback_id):
        return feedback_id
    digits = sha256(f"learnlab:{feedback_id}".encode()).hexdigest()
    return UUID(f"{digits[:12]}f{digits[13:32]}")


def is_key(feedback_id: UUID) -> bool:
    """Return whether an id is a key: no random id has its 13th digit."""
    return str(feedback_id)[14] == "f"
