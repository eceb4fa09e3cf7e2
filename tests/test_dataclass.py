"""`imgsearch.dataclass.dataclass` beside the standard library's: the same classes."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import field
from types import SimpleNamespace
from typing import Any

import pytest

from imgsearch.dataclass import dataclass


def _declared(with_: Callable[..., Any]) -> SimpleNamespace:
    """Three classes by a decorator."""

    @with_(frozen=True)
    class Plain:
        first: int
        second: str = "two"
        many: list[int] = field(default_factory=list)
        unseen: int = field(default=0, repr=False, compare=False)

        def __post_init__(self) -> None:
            if self.first < 0:
                raise ValueError(self.first)

    @with_(frozen=True, slots=True, kw_only=True)
    class Slotted:
        first: int
        second: tuple[str, ...] = ()

        def __repr__(self) -> str:
            return "its own"

    @with_(slots=True)
    class Changing:
        first: int = 1
        later: int = field(init=False, default=7)

    return SimpleNamespace(plain=Plain, slotted=Slotted, changing=Changing)


OURS, THEIRS = _declared(dataclass), _declared(dataclasses.dataclass)


@dataclass(frozen=True, slots=True)
class Kept:
    first: int
    second: str = ""


def _outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (AttributeError, TypeError, ValueError) as error:
        return type(error)


@pytest.mark.parametrize(
    "work",
    [
        lambda of: repr(of.plain(1, many=[2])),
        lambda of: of.plain(1) == of.plain(1, "two", [], 5),
        lambda of: of.plain(1) == of.plain(2),
        lambda of: of.plain(1) == 1,
        lambda of: of.plain(1).many is of.plain(1).many,
        lambda of: of.plain(-1),
        lambda of: of.plain(),
        lambda of: of.plain(1, none=2),
        lambda of: hash(of.plain(1)),
        lambda of: setattr(of.plain(1), "first", 2),
        lambda of: delattr(of.plain(1), "first"),
        lambda of: setattr(of.plain(1), "other", 2),
        lambda of: dataclasses.asdict(of.plain(1, "x", [3])),
        lambda of: dataclasses.replace(of.plain(1), first=-3),
        lambda of: dataclasses.replace(of.plain(1), second="x").second,
        lambda of: of.slotted(1),
        lambda of: repr(of.slotted(first=1)),
        lambda of: len({of.slotted(first=1), of.slotted(first=1, second=())}),
        lambda of: hash(of.slotted(first=1)) == hash(of.slotted(first=1, second=())),
        lambda of: hasattr(of.slotted(first=1), "__dict__"),
        lambda of: copy.deepcopy(of.slotted(first=3)).first,
        lambda of: [each.name for each in dataclasses.fields(of.slotted)],
        lambda of: (of.changing(first=2).first, of.changing(2).later),
        lambda of: setattr(of.changing(), "first", 5),
        lambda of: hash(of.changing()),
        lambda of: of.changing(later=2),
    ],
)
def test_it_does_what_the_standard_one_does(work: Callable[..., Any]) -> None:
    assert _outcome(lambda: work(OURS)) == _outcome(lambda: work(THEIRS))


def test_frozen_ones_are_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept(1, "x"))) == Kept(1, "x")
