"""What a check finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from imgsearch.dataclass import dataclass
from imgsearch.errors import Action, ImgsearchError

State = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    name: str  # what was looked at
    state: State
    detail: str
    cure: str = ""  # empty where all is well
    action: Action | None = None  # what the cure asks for


def ok(name: str, detail: str) -> Finding:
    return Finding(name, "ok", detail)


def warning(name: str, detail: str, cure: str, action: Action | None = None) -> Finding:
    return Finding(name, "warning", detail, cure, action)


def failure(name: str, detail: str, cure: str, action: Action | None = None) -> Finding:
    return Finding(name, "failure", detail, cure, action)


def of_error(name: str, error: ImgsearchError) -> Finding:
    return Finding(name, "failure", error.message, error.cure, error.action)


Check = Callable[[], Iterable[Finding]]

# what looking at a broken thing may raise: a check that cannot look is a finding itself
_UNEXPECTED = (
    OSError, ValueError, TypeError, LookupError, AttributeError, ImportError, RuntimeError,
    ArithmeticError,
)  # fmt: skip


def examine(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """Runs named checks one by one; what stops one stops no other."""
    for name, check in checks:
        try:
            yield from check()
        except ImgsearchError as error:
            yield of_error(name, error)
        except _UNEXPECTED as error:
            detail = f"could not be looked at: {type(error).__name__}: {error}"
            yield warning(name, detail, "The other lines count; this one may be a bug of ours.")
