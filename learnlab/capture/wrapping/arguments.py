"""Where a pool's method is told of its task: in an argument of its own, or spread over several."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any
from uuid import UUID

_DESCRIBES = {"task_type", "task_description", "description", "prompt"}
"""Names of parameters that make a method's arguments themselves the description of a task (document 000)."""

_NO_TASK = (
    *(str, bytes, bytearray, int, float, complex, type(None), UUID, list, tuple, set, frozenset, type),
    *(FunctionType, MethodType, BuiltinFunctionType),
)


class Arguments:
    """The parameters of a method, read once.

    >>> def execute_on_pool(pool_id, task): ...
    >>> Arguments(execute_on_pool).task(("local", {"prompt": "Sort"}), {})
    {'prompt': 'Sort'}
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        try:
            parameters = list(inspect.signature(method).parameters.values())
        except Exception:  # a builtin, or a signature that somebody wrote wrongly
            parameters = []
        places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self._names = [parameter.name for parameter in parameters if parameter.kind in places]
        self._place = {name: place for place, name in enumerate(self._names)}
        self._describes = not _DESCRIBES.isdisjoint(parameter.name for parameter in parameters)

    def task(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the task of a call: `task`, else what the arguments together say, else the first that is like one.

        A text is the last resort: it is the description.
        """
        if self._is_given("task", args, kwargs):
            return self.named("task", args, kwargs)
        told = dict(zip(self._names, args, strict=False)) | kwargs
        if self._describes:
            return told
        given = [*args, *kwargs.values()]
        like = (one for one in given if not issubclass(type(one), _NO_TASK))
        texts = (one for one in reversed(given) if issubclass(type(one), str))
        return next(like, next(texts, told or None))

    def tasks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any] | None:
        """Return the tasks of a batch, `tasks` or the first list; None when they are in no list."""
        given = [*args, *kwargs.values()]
        if self._is_given("tasks", args, kwargs):
            given = [self.named("tasks", args, kwargs)]
        return next((list(one) for one in given if issubclass(type(one), list | tuple)), None)

    def named(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the argument of a name, however it was given; None when it was not."""
        if name in kwargs:
            return kwargs[name]
        place = self._place.get(name, len(args))
        return args[place] if place < len(args) else None

    def _is_given(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return name in kwargs or self._place.get(name, len(args)) < len(args)
