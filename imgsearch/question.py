"""What can be asked of an index, and how it is written as an address.

    question = Question.of("beach at sunset", k=20, filter=Filter(country="IT"))
    Question.from_address(question.to_address()) == question

A `Question` holds terms (words, pictures and indexed photos, each with a weight), a `Filter` (which
photos count), how many photos to return from which position on, and in which order. It is the one
input of `imgsearch.search.question_to_hits`, whether it comes from the command line, from Python or
from the address of a web page."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, fields, replace
from datetime import date, timedelta
from functools import partial
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode

from imgsearch.dataclass import dataclass
from imgsearch.errors import UsageError

Order = Literal["fit", "newest", "oldest"]
ORDERS: tuple[Order, ...] = ("fit", "newest", "oldest")
Orientation = Literal["landscape", "portrait", "square"]
Box = tuple[int, int, int, int]  # left, top, width, height, in pixels of the upright picture
ORIENTATIONS: tuple[Orientation, ...] = ("landscape", "portrait", "square")
RATINGS = 5  # stars
MOST_MEGAPIXELS = 1e9  # so that pixels stay numbers of 64 bits


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a question. Exactly one of `words`, `picture` and `photo` is set."""

    words: str | None = None
    picture: str | None = None  # a file's path, or the name of an upload
    photo: str | None = None  # the id of an indexed photo
    weight: float = 1.0  # negative: unlike this
    box: Box | None = None  # of a picture or photo: that part of it alone

    def __post_init__(self) -> None:
        given = [value for value in (self.words, self.picture, self.photo) if value is not None]
        if len(given) != 1:
            raise ValueError("a term is words, a picture or a photo: exactly one of them")

    @property
    def shown(self) -> str:
        """What it asks for, in a few characters: its words, a file's name or an id."""
        return self.words or self.picture or self.photo or ""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a library (None: of any). `path` is relative to the root; None: all of it."""

    library: str | None
    path: str | None = None

    def written(self) -> str:
        """The folder as an address has it: "holiday/italy/florence". A "/" in the library's name is
        escaped."""
        return f"{_quoted(self.library)}/{self.path or ''}"

    @classmethod
    def read(cls, written: str) -> Folder:
        """The folder that `written` returned as text."""
        library, _, path = written.partition("/")
        return cls(library.replace("%2F", "/").replace("%25", "%") or None, path or None)


@dataclass(frozen=True, slots=True)
class Near:
    """A circle on the earth: degrees (WGS 84) and kilometres."""

    latitude: float
    longitude: float
    km: float


class Limits(NamedTuple):
    """Days, exclusive: for photos of which the day, only the month, or only the year is known."""

    day: date
    month: date
    year: date

    def named(self) -> Iterator[tuple[str, date]]:
        return zip(self._fields, self, strict=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which photos count. Every field that is set must hold; an empty filter lets all through.
    Several values of one field are alternatives, but for `tags`. A photo of which only the month or
    the year is known was taken within a span of days when that whole month or year lies in it."""

    under: tuple[Folder, ...] = ()
    not_under: tuple[Folder, ...] = ()
    taken_from: date | None = None  # inclusive, in the photo's local time
    taken_to: date | None = None  # inclusive
    undated: bool = False  # only photos without a date
    country: str | None = None  # ISO 3166 alpha-2
    city: str | None = None  # the name that GeoNames gives it in English
    near: Near | None = None
    camera: tuple[str, ...] = ()  # make and model, or a part of it; any case
    lens: tuple[str, ...] = ()
    format: tuple[str, ...] = ()  # as Pillow names it: "JPEG"
    orientation: Orientation | None = None
    min_megapixels: float | None = None
    max_megapixels: float | None = None
    tags: tuple[str, ...] = ()  # all of them, any case
    min_rating: int | None = None  # 1 to 5

    @classmethod
    def within(cls, library: str | None = None, folder: str | None = None) -> Filter:
        """Photos of one library, or of one folder of it (without `library`: of any); all photos
        without arguments."""
        everywhere = library is None and not folder
        return cls() if everywhere else cls(under=(Folder(library, folder or None),))

    @property
    def taken_before(self) -> Limits | None:
        """What `taken` has to lie before, so that all that is known of it lies within `taken_to`:
        of a photo of "2019", the whole year. None: no limit."""
        if self.taken_to is None or self.taken_to == date.max:
            return None
        day = self.taken_to + timedelta(days=1)
        return Limits(day, day.replace(day=1), day.replace(month=1, day=1))

    @property
    def pixels(self) -> tuple[int | None, int | None]:
        """`min_megapixels` and `max_megapixels` in whole pixels."""
        least, most = self.min_megapixels, self.max_megapixels
        return (
            None if least is None else math.ceil(min(least, MOST_MEGAPIXELS) * 1e6),
            None if most is None else math.floor(min(most, MOST_MEGAPIXELS) * 1e6),
        )


ALL = Filter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """See the module's description. `text`: the words of a single positive term, for display."""

    terms: tuple[Term, ...] = ()  # none: what `match` says, else all that the filter lets through
    filter: Filter = field(default_factory=Filter)
    # words that are looked for in names, captions, tags and places: alone, or beside the terms.
    # None: the words of a question that is nothing but words; "": none
    match: str | None = None
    any_word: bool = False  # with `match` alone: photos that have only some of its words too
    k: int = 10
    offset: int = 0
    order: Order = "fit"
    min_score: float | None = None  # cosine
    only_fitting: bool = False  # stop where what fits ends
    fold: bool = True  # copies of one picture count as one result
    exclude: tuple[str, ...] = ()  # ids of photos that are left out

    @classmethod
    def of(cls, words: str, **others: Any) -> Question:
        return cls(terms=(Term(words=words),), **others)

    @property
    def text(self) -> str:
        return " ".join(term.words for term in self.terms if term.words and term.weight > 0)

    def page(self, offset: int) -> Question:
        """The same question from another position on."""
        return replace(self, offset=offset)

    def to_address(self) -> str:
        """The query part of an address, without "?"; what has its default is left out."""
        return urlencode(list(_pairs(self)))

    @classmethod
    def from_address(cls, query: str) -> Question:
        """Raises UsageError for a value that cannot be read; unknown names are passed over."""
        return _question(parse_qsl(query, keep_blank_values=True, errors="replace"))


# -- as an address: q=words, pic=a picture, id=a photo. A weight other than 1 and a box stand in the
# name, since a value is what somebody typed: q*-0.5=people, pic@10,20,300,200=dog.jpg

_TERM_KEYS: Mapping[str, str] = {"q": "words", "pic": "picture", "id": "photo"}
_TERM_NAME = re.compile(r"(q|pic|id)(?:\*([^@]*))?(?:@(.*))?")


def _pairs(question: Question) -> Iterator[tuple[str, str]]:
    for term in question.terms:
        for key, name in _TERM_KEYS.items():
            value = getattr(term, name)
            if value is not None:
                weight = "" if term.weight == 1 else f"*{term.weight:g}"
                box = "" if term.box is None else f"@{','.join(map(str, term.box))}"
                yield f"{key}{weight}{box}", value
    for each in fields(Filter):
        value = getattr(question.filter, each.name)
        if value != each.default:
            yield from ((each.name, written) for written in _written(each.name, value))
    for name in ("k", "offset", "order", "min_score"):
        value = getattr(question, name)
        if value != Question.__dataclass_fields__[name].default:
            yield name, f"{value:g}" if isinstance(value, float) else str(value)
    if question.match is not None:
        yield "match", question.match
    for name in ("any_word", "only_fitting"):
        if getattr(question, name):
            yield name, "1"
    if not question.fold:
        yield "fold", "0"
    yield from (("exclude", id) for id in question.exclude)


def _written(name: str, value: Any) -> Iterator[str]:
    if name in ("under", "not_under"):
        yield from (folder.written() for folder in value)
    elif isinstance(value, tuple):
        yield from value
    elif isinstance(value, Near):
        yield f"{value.latitude!r},{value.longitude!r},{value.km!r}"
    elif isinstance(value, bool):
        yield "1"
    else:
        yield value.isoformat() if isinstance(value, date) else str(value)


def _quoted(library: str | None) -> str:
    """A library's name may hold "/", which separates it from the folder; empty: any library."""
    return (library or "").replace("%", "%25").replace("/", "%2F")


def _question(pairs: Sequence[tuple[str, str]]) -> Question:
    terms: list[Term] = []
    filters: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in pairs:
        if name == "match":
            others[name] = value
        if value == "":
            continue
        term_name = _TERM_NAME.fullmatch(name)
        if term_name is not None:
            terms.append(_term(name, value, *term_name.groups()))
        elif name in _FILTERS:
            parsed = _parsed(name, value, _FILTERS[name])
            filters[name] = (*filters.get(name, ()), parsed) if name in _MANY else parsed
        elif name == "exclude":
            others[name] = (*others.get(name, ()), value)
        elif name in _OTHERS:
            others[name] = _parsed(name, value, _OTHERS[name])
    return Question(terms=tuple(terms), filter=Filter(**filters), **others)


def _parsed(name: str, value: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(value)
    except (ValueError, TypeError):
        raise UsageError(
            f"Invalid value for {name}: {value!r}.", "Correct it, or leave it out."
        ) from None


def _term(name: str, value: str, key: str, weight: str | None, box: str | None) -> Term:
    number = 1.0 if weight is None else _parsed(name, weight, _finite)
    sides = None if box is None else _parsed(name, box, read_box)
    return Term(**{_TERM_KEYS[key]: value}, weight=number, box=sides)


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(value)
        return value

    return parse


def _whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = int(value)
        if not least <= number <= most:
            raise ValueError(value)
        return number

    return parse


def _finite(value: str, least: float = -1e9) -> float:
    number = float(value)
    if not least <= number <= 1e9:  # NaN is not
        raise ValueError(value)
    return number


def read_box(value: str) -> Box:
    """ "10,20,300,200" as a box. Raises ValueError."""
    if re.fullmatch(r"\s*[0-9]{1,9}(\s*,\s*[0-9]{1,9}){3}\s*", value):
        left, top, width, height = map(int, value.split(","))
        if width and height:
            return left, top, width, height
    raise ValueError("not LEFT,TOP,WIDTH,HEIGHT in pixels, such as 10,20,300,200")


def _near(value: str) -> Near:
    latitude, longitude, km = map(_finite, value.split(","))
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and km > 0):
        raise ValueError(value)
    return Near(latitude, longitude, km)


def _flag(value: str) -> bool:
    if value.lower() not in ("0", "1", "true", "false", "on"):
        raise ValueError(value)
    return value.lower() not in ("0", "false")


_MANY = ("under", "not_under", "camera", "lens", "format", "tags")
_FILTERS: Mapping[str, Callable[[str], Any]] = {
    "under": Folder.read,
    "not_under": Folder.read,
    "taken_from": date.fromisoformat,
    "taken_to": date.fromisoformat,
    "undated": _flag,
    "country": str,
    "city": str,
    "near": _near,
    "camera": str,
    "lens": str,
    "format": str,
    "orientation": _one_of(*ORIENTATIONS),
    "min_megapixels": partial(_finite, least=0),
    "max_megapixels": partial(_finite, least=0),
    "tags": str,
    "min_rating": _whole(1, RATINGS),
}
_OTHERS: Mapping[str, Callable[[str], Any]] = {
    "k": _whole(1),
    "offset": _whole(0),
    "order": _one_of(*ORDERS),
    "min_score": _finite,
    "any_word": _flag,
    "only_fitting": _flag,
    "fold": _flag,
}
