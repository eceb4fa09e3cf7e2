"""What each kind of setting may hold. A parser takes text (environment, option) or a TOML value and
returns the value, or raises ValueError with words that end the sentence "'x' is …"."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from imgsearch.dataclass import dataclass

Parse = Callable[[Any], Any]
Word = TypeVar("Word", bound=str)

_FLAGS = {"1": True, "true": True, "yes": True, "on": True}
_FLAGS |= {"0": False, "false": False, "no": False, "off": False}


def text(value: Any) -> str:
    """TOML: a whole number serves too, as an unquoted password of digits."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("not a text")
    return str(value)


def host_name(value: Any) -> str:
    """A host's name or address, without a port. Raises ValueError."""
    if re.fullmatch(r"[\w-]+(\.[\w-]+)*", str(value), re.ASCII) is None:
        raise ValueError("not a host name such as photos.example.com")
    return str(value)


def flag(value: Any) -> bool:
    try:
        return _FLAGS[str(value).strip().lower()]
    except KeyError:
        raise ValueError("not yes or no (true or false, 1 or 0)") from None


def not_negative(value: Any) -> int:
    """A whole number of 0 or more. Raises ValueError."""
    number = _whole(value)
    if number is None or number < 0:
        raise ValueError("not a whole number of 0 or more")
    return number


def whole(value: Any) -> int:
    """A whole number of 1 or more. Raises ValueError."""
    number = _whole(value)
    if number is None or number < 1:
        raise ValueError("not a whole number of 1 or more")
    return number


def _whole(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # 18 digits: more than any machine has of anything
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value):
        return int(value)
    return None


def above_zero(value: Any) -> float:
    number = _finite(value)
    if number is None or number <= 0:
        raise ValueError("not a number above 0")
    return number


def zero_or_more(value: Any) -> float:
    number = _finite(value)
    if number is None or number < 0:
        raise ValueError("not a number of 0 or more")
    return number


def stars(value: Any) -> int:
    number = _whole(value)
    if number is None or not 1 <= number <= 5:
        raise ValueError("not a whole number from 1 to 5")
    return number


def part(value: Any) -> tuple[int, int]:
    """ "1/4" as (1, 4). Raises ValueError."""
    found = re.fullmatch(r"\s*([0-9]{1,9})/([0-9]{1,9})\s*", str(value))
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError("not I/N, one part of how many, such as 1/4")
    return int(found[1]), int(found[2])


def port(value: Any) -> int:
    number = _whole(value)
    if number is None or not 0 <= number <= 65535:
        raise ValueError("not a port: a whole number from 0 to 65535")
    return number


def cosine(value: Any) -> float:
    number = _finite(value)
    if number is None or not -1 <= number <= 1:
        raise ValueError("not a number from -1 to 1")
    return number


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def replicas(value: Any) -> str:
    number = _whole(value)
    if value == "auto" or (number is not None and number >= 0):
        return str(value if number is None else number)
    raise ValueError("not auto or a whole number of 0 or more")


def texts(value: Any) -> list[str]:
    """A TOML array, an option given several times, or comma-separated text."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return list(value)
    raise ValueError("not a list of texts")


@dataclass(frozen=True)
class OneOf(Generic[Word]):
    """A parser for one word of a list."""

    choices: tuple[Word, ...]

    def __call__(self, value: Any) -> Word:
        for word in self.choices:
            if isinstance(value, str) and value.strip().lower() == word:
                return word
        raise ValueError(f"not one of {', '.join(self.choices)}")


def one_of(*words: Word) -> OneOf[Word]:
    return OneOf(words)


def sha256_fingerprint(value: Any) -> str:
    """64 lower-case hexadecimal digits; given with colons or without."""
    digits = re.sub(r"[\s:]", "", text(value)).lower()
    if re.fullmatch(r"[0-9a-f]{64}", digits):
        return digits
    if re.fullmatch(r"[0-9a-f]{40}", digits):
        raise ValueError("a SHA-1 fingerprint, and not SHA-256 (64 hexadecimal digits)")
    raise ValueError("not a SHA-256 fingerprint (64 hexadecimal digits, with or without colons)")
