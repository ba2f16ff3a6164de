"""A transparent stand-in for an object: everything but some of its methods is the object's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

Replace = Callable[[str, Any], Any]
"""Returns what stands in the place of an attribute, given its name and the object's own value."""

_OWN = {
    *(
        "__new__",
        "__init__",
        "__del__",
        "__init_subclass__",
        "__subclasshook__",
        "__class__",
        "__class_getitem__",
    ),
    *("__getattribute__", "__getattr__", "__setattr__", "__delattr__", "__aenter__"),
}


class _Proxy:
    """The base of the stand-ins; its two slots have names that no object uses."""

    __slots__ = ("__learnlab_object__", "__learnlab_replace__", "__weakref__")

    def __getattr__(self, name: str) -> Any:
        value = getattr(_object(self), name)
        return object.__getattribute__(self, "__learnlab_replace__")(name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_object(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_object(self), name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return _object(self).__class__


def stand_in(own: Any, replace: Replace) -> Any:
    """Return a stand-in for an object, with some attributes replaced.

    `isinstance`, `len`, iteration, `with`, `==`, `hash`, pickling and so on are the object's own; what is set
    on the stand-in is set on the object. Only `type` tells them apart.

    >>> proxy = stand_in([3, 1], lambda name, value: (lambda: "no") if name == "sort" else value)
    >>> proxy.append(2); len(proxy), proxy.sort(), proxy == [3, 1, 2], isinstance(proxy, list)
    (3, 'no', True, True)
    """
    proxy: Any = object.__new__(_type_for(type(own)))  # type: ignore[arg-type]
    object.__setattr__(proxy, "__learnlab_object__", own)
    object.__setattr__(proxy, "__learnlab_replace__", replace)
    return proxy


def _object(proxy: Any) -> Any:
    return object.__getattribute__(proxy, "__learnlab_object__")


@lru_cache(maxsize=256)
def _type_for(kind: type) -> type:
    """Return the type of the stand-ins for objects of a type: it has the special methods that the type has."""
    body: dict[str, Any] = {"__slots__": (), "__doc__": kind.__doc__, "__module__": kind.__module__}
    for name in dir(kind):
        if name.startswith("__") and name.endswith("__") and name not in _OWN:
            own = getattr(kind, name, None)
            if name == "__hash__" and own is None:
                body[name] = None
            elif callable(own):
                body[name] = _special(name)
    if hasattr(kind, "__aenter__"):
        body["__aenter__"] = _aenter
    return type(f"Captured{kind.__name__}", (_Proxy,), body)


def _special(name: str) -> Callable[..., Any]:
    def special(self: Any, *args: Any, **kwargs: Any) -> Any:
        own = _object(self)
        others = [_object(arg) if issubclass(type(arg), _Proxy) else arg for arg in args]
        said = getattr(type(own), name)(own, *others, **kwargs)
        return self if said is own else said

    special.__name__ = name
    return special


async def _aenter(self: Any) -> Any:
    own = _object(self)
    entered = await type(own).__aenter__(own)
    return self if entered is own else entered
