"""How an option or a setting is declared: once, as a field of a class. From the fields come the
parameters and the help of commands, completion, environment, configuration files, `status` and the
README's tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast, overload

from imgsearch.dataclass import dataclass
from imgsearch.settings.values import Parse

T = TypeVar("T")

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**settings: Any) -> Callable[[type], type]:
        """For type checkers alone; Python 3.10 does not have it."""
        return lambda cls: cls


# A file of the working directory may set it without permission, if this holds for the value (as
# it was written) and the directory.
Harmless = Callable[[Any, Path], bool]
Kind = Literal["value", "several", "flag", "count", "argument", "arguments"]

_KEY = "imgsearch"  # of a field's metadata


def never(value: Any, directory: Path) -> bool:
    return False


def always(value: Any, directory: Path) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Option:
    """`parse` takes what was given (of "several": each one) and returns the value or raises
    ValueError. `spelling`: as the help shows it, such as "-y, --yes", "--index PATH|NAME|URL",
    "--[no-]verify-certs" or an argument's metavar; empty for a setting that no option sets.
    `default_text`: how the help and the README name a default that is chosen at run time.
    `completion`: names the values that a shell offers (see cli/completion.py). `alone`: the value
    where the option is followed by none of its `choices`; empty for one that needs a value.

    Of settings alone: `environment`, names beside IMGSEARCH_<NAME>, the first one wins; `secret`;
    `harmless`; `cure`, how a wrong value is corrected."""

    name: str
    kind: Kind
    parse: Parse
    default: Any
    spelling: str = ""
    help: str = ""
    heading: str = "Options"
    default_text: str = ""
    completion: str = ""
    alone: str = ""
    environment: tuple[str, ...] = ()
    secret: bool = False
    harmless: Harmless = never
    cure: str = "Correct it"

    @property
    def flags(self) -> tuple[str, ...]:
        """The option's spellings as typed: ("-y", "--yes"); for "--[no-]x" the first of the two."""
        words = self.spelling.replace("[no-]", "").replace(",", "").split()
        return tuple(word for word in words if word.startswith("-"))

    @property
    def negation(self) -> str:
        """The flag that says no, empty if there is none."""
        return self.flags[-1].replace("--", "--no-", 1) if "[no-]" in self.spelling else ""

    @property
    def choices(self) -> tuple[str, ...]:
        """All words that the value may be; empty where any text may be."""
        return getattr(self.parse, "choices", ())

    @property
    def metavar(self) -> str:
        """What stands for the value in the help, such as "FILE", or the words that it may be."""
        last = self.spelling.split()[-1] if self.spelling else ""
        if last and not last.startswith("-"):
            return last
        return "|".join(self.choices) if self.kind in ("value", "several") else ""

    @property
    def shown_spelling(self) -> str:
        if self.metavar and not self.spelling.endswith(self.metavar):
            return f"{self.spelling} {self.metavar}"
        return self.spelling

    @property
    def shown_default(self) -> str:
        """The default for people; empty where there is nothing worth saying."""
        if self.default_text:
            return self.default_text
        if isinstance(self.default, bool):
            return "yes" if self.default else "no" if self.negation else ""
        if self.kind == "count" or self.default in (None, (), []):
            return ""
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def shown_help(self) -> str:
        if not self.shown_default:
            return self.help
        return f"{self.help.removesuffix('.')} (default: {self.shown_default})."


def _field(kind: Kind, parse: Parse, default: Any, spelling: str, help: str, more: Any) -> Any:
    declared = Option("", kind, parse, default, spelling, help, **more)
    if isinstance(default, list):
        return dataclasses.field(default_factory=default.copy, metadata={_KEY: declared})
    return dataclasses.field(default=default, metadata={_KEY: declared})


@overload
def option(
    parse: Callable[[Any], T], spelling: str = ..., help: str = ..., *, default: T, **more: Any
) -> T: ...
@overload
def option(
    parse: Callable[[Any], T], spelling: str = ..., help: str = ..., **more: Any
) -> T | None: ...
def option(
    parse: Parse, spelling: str = "", help: str = "", *, default: Any = None, **more: Any
) -> Any:
    """One value. `more`: the other fields of Option."""
    return _field(more.pop("kind", "value"), parse, default, spelling, help, more)


def several(parse: Callable[[Any], T], spelling: str, help: str, **more: Any) -> tuple[T, ...]:
    """An option that may be repeated; in settings a list."""
    field: Any = _field("several", parse, (), spelling, help, more)
    return field  # type: ignore[no-any-return] # as dataclasses.field declares it


def flag(spelling: str, help: str, **more: Any) -> bool:
    """A flag: False unless it is given."""
    from imgsearch.settings.values import flag as parse

    field: Any = _field("flag", parse, more.pop("default", False), spelling, help, more)
    return field  # type: ignore[no-any-return] # likewise


def count(spelling: str, help: str, **more: Any) -> int:
    """An option that counts how often it is given."""
    field: Any = _field("count", int, 0, spelling, help, more)
    return field  # type: ignore[no-any-return] # likewise


def argument(parse: Callable[[Any], T], metavar: str, help: str, **more: Any) -> T:
    """A positional argument; required unless the metavar begins with "["."""
    field: Any = _field("argument", parse, more.pop("default", None), metavar, help, more)
    return field  # type: ignore[no-any-return] # likewise


def arguments(parse: Callable[[Any], T], metavar: str, help: str, **more: Any) -> tuple[T, ...]:
    """Any number of words; at least one unless the metavar begins with "["."""
    field: Any = _field("arguments", parse, (), metavar, help, more)
    return field  # type: ignore[no-any-return] # likewise


def declared(cls: type) -> dict[str, Option]:
    """All options of a dataclass or of one of CommandOptions, by the names of its fields."""
    fields = (
        cls._fields
        if issubclass(cls, CommandOptions)
        else {
            field.name: field
            for field in dataclasses.fields(cast(Any, cls))
            if _KEY in field.metadata
        }
    )
    return {
        name: dataclasses.replace(field.metadata[_KEY], name=name) for name, field in fields.items()
    }


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(option, several, flag, count, argument, arguments),
)
class CommandOptions:
    """What a command takes: each field of a subclass is an option or an argument. As dataclasses
    they would take a tenth of the time of `--help`."""

    _fields: ClassVar[dict[str, dataclasses.Field[Any]]] = {}

    def __init_subclass__(cls) -> None:
        own = {
            name: field for name, field in vars(cls).items() if isinstance(field, dataclasses.Field)
        }
        inherited: dict[str, dataclasses.Field[Any]] = {}
        for base in reversed(cls.__mro__):
            inherited |= vars(base).get("_fields", {})
        cls._fields = inherited | own
        for name, field in own.items():
            setattr(cls, name, field.default)

    def __init__(self, **given: Any) -> None:
        """Raises TypeError for a name that is no field."""
        if unknown := given.keys() - self._fields.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        vars(self).update(given)
