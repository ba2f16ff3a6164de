"""A captured callable: calls the function it stands for and hands on what that returns or raises, unchanged.

Whether a call is to be awaited is seen by what it returns, so a plain function that returns an awaitable is
awaited as well. The caller has the result once it is recorded. An event loop waits for no slow disk, except for
the record of a call that was cancelled: nobody is there any more to await it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import wraps
from types import AsyncGeneratorType, FunctionType, GeneratorType, MethodType
from typing import Any

from learnlab.capture.wrapping.attempt import Call, not_captured

Begin = Callable[[tuple[Any, ...], dict[str, Any]], Call | None]
"""Makes a captured call of the arguments; None when nothing is to be captured."""


def around(function: Callable[..., Any], begin: Begin, what: str) -> Callable[..., Any]:
    """Return the function with each of its calls captured; a coroutine function stays one.

    A future that it returns is followed until it is done. Of a generator that it returns, nothing is known
    but that it was begun.
    """
    updated = ("__dict__",) if isinstance(function, FunctionType | MethodType) else ()

    def begun(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        try:
            return begin(args, kwargs)
        except Exception as error:
            not_captured(what, error)
            return None

    if inspect.iscoroutinefunction(function):

        @wraps(function, updated=updated)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            coroutine = function(*args, **kwargs)
            call = begun(args, kwargs)
            return await (_awaited(call, coroutine) if call else coroutine)

        return awaited

    @wraps(function, updated=updated)
    def called(*args: Any, **kwargs: Any) -> Any:
        call = begun(args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        token = call.enter()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            call.over(error=error)
            raise
        finally:
            call.leave(token)
        return _followed(call, result)

    return called


async def _awaited(call: Call, awaitable: Awaitable[Any]) -> Any:
    token = call.enter()
    try:
        result = await awaitable
    except Exception as error:
        await call.aover(error=error)
        raise
    except BaseException as error:
        call.over(error=error)
        raise
    finally:
        call.leave(token)
    await call.aover(result)
    return result


def _followed(call: Call, result: Any) -> Any:
    """Return what a plain function returned, its call over now or as soon as the result is there.

    Goes by the result's type: what an object says of itself may raise.
    """
    kind = type(result)
    if issubclass(kind, asyncio.Future):
        if not result.done():
            return result.get_loop().create_task(_awaited(call, result))
        _done(call, result)
        return result
    if hasattr(kind, "__await__") or (kind is GeneratorType and inspect.isawaitable(result)):
        return _awaited(call, result)
    if issubclass(kind, Future):
        result.add_done_callback(lambda future: _done(call, future))
        return result
    if issubclass(kind, GeneratorType | AsyncGeneratorType):
        call.is_timed = False
        call.over()
        return result
    call.over(result)
    return result


def _done(call: Call, future: Future[Any] | asyncio.Future[Any]) -> None:
    if future.cancelled():
        call.over(error=asyncio.CancelledError())
    elif (error := future.exception()) is not None:
        call.over(error=error)
    else:
        call.over(future.result())
