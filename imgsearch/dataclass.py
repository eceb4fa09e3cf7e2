"""Data classes as the standard library's, whose decorator compiles up to six methods of each class,
one after the other: for the sixty classes of a query 26 of its 240 ms. Here one method is compiled,
`__init__`; the others are the same for all classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any

_FACTORY = object()  # in the place of an argument: its default is made for each instance


def _dataclass(
    cls: type | None = None,
    /,
    *,
    frozen: bool = False,
    slots: bool = False,
    kw_only: bool = False,
    eq: bool = True,
    repr: bool = True,
) -> Any:
    """As `dataclasses.dataclass`, with those of its options that are used here. Its functions
    `fields`, `replace` and `asdict` take such classes too."""

    def decorate(cls: type) -> type:
        if cls.__doc__ is None:
            cls.__doc__ = cls.__name__  # else a signature is written for it: a third of the time
        made: type[Any] = dataclasses.dataclass(
            init=False, repr=False, eq=False, slots=slots, kw_only=kw_only
        )(cls)
        fields = dataclasses.fields(made)
        methods: dict[str, Any] = {"__init__": _init(made, fields, frozen)}
        if frozen:
            methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
        if frozen and slots:
            methods |= {"__getstate__": _state, "__setstate__": _set_state}
        if repr:
            methods["__repr__"] = _repr
        if eq:
            methods |= _comparing(fields, frozen)
        for name, method in methods.items():
            if name not in vars(made) or (name == "__hash__" and vars(made)[name] is None):
                setattr(made, name, method)
        return made

    return decorate if cls is None else decorate(cls)


def _init(cls: type, fields: tuple[Field[Any], ...], frozen: bool) -> Callable[..., None]:
    names: dict[str, Any] = {"_setattr": object.__setattr__, "_factory": _FACTORY}
    parameters, keywords, body = ["self"], ["*"], []
    for field in fields:
        name = value = field.name
        default = made = ""
        if field.default is not MISSING:
            default = made = f"_default_{name}"
            names[default] = field.default
        elif field.default_factory is not MISSING:
            default, made = "_factory", f"_make_{name}()"
            names[f"_make_{name}"] = field.default_factory
            value = f"{made} if {name} is _factory else {name}"
        if field.init:
            (keywords if field.kw_only else parameters).append(f"{name}={default}".rstrip("="))
        elif made:
            value = made
        else:
            continue
        body.append(f"_setattr(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    listed = ", ".join([*parameters, *(keywords if len(keywords) > 1 else ())])
    exec(f"def __init__({listed}):\n " + "\n ".join(body or ["pass"]), names)
    made_init: Callable[..., None] = names["__init__"]
    made_init.__qualname__ = f"{cls.__qualname__}.__init__"
    return made_init


def _comparing(fields: tuple[Field[Any], ...], frozen: bool) -> dict[str, Any]:
    """Equality by the values of the fields, and by these the hash of what is frozen."""
    values = attrgetter("__class__", *(field.name for field in fields if field.compare))

    def equal(self: Any, other: object) -> Any:
        same = other.__class__ is self.__class__
        return values(self) == values(other) if same else NotImplemented

    def hashed(self: Any) -> int:
        return hash(values(self))

    return {"__eq__": equal, "__hash__": hashed if frozen else None}


def _repr(self: Any) -> str:
    shown = (
        f"{each.name}={getattr(self, each.name)!r}"
        for each in dataclasses.fields(self)
        if each.repr
    )
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse(self: Any, name: str, value: object = None) -> None:
    raise FrozenInstanceError(f"{name!r} of {type(self).__qualname__} cannot be changed")


def _state(self: Any) -> list[Any]:
    """For `copy` and `pickle`, which would set the attributes one by one."""
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


if TYPE_CHECKING:  # type checkers know the standard one
    from dataclasses import dataclass as dataclass
else:
    dataclass = _dataclass
