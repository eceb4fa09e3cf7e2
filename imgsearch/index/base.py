"""The index: a container of photos' records and vectors. Vectors are the only currency that crosses
this boundary, so every backend (`imgsearch.index.BACKENDS`) passes the same contract suite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args

from imgsearch.dataclass import dataclass
from imgsearch.index.part_kinds import PART_KINDS, PartKind
from imgsearch.index.records import (
    NO_TEXTS,
    Failure,
    Fingerprint,
    Fingerprints,
    Look,
    Near,
    Neighbour,
    Part,
    Parts,
    PartTexts,
    PartVectors,
    Place,
    Record,
    Row,
    parts_mark,
)
from imgsearch.models.base import ModelIdentity, ModelPair, TextEncoder, Vector, Vectors
from imgsearch.progress import Progress, silent
from imgsearch.question import ALL, Filter
from imgsearch.word_splitting import Wanted

SCHEMA_VERSION = 1

BrowseOrder = Literal["newest", "oldest"]
Facet = Literal["year", "month", "country", "city", "camera", "folder", "format", "orientation"]
FACETS: tuple[Facet, ...] = get_args(Facet)
FACET_VALUES = 200  # of each, no more
HASH_BYTES = 32  # of a perceptual hash
INGEST_COUNTS = (  # of the report of an ingest that an index keeps, in this order
    *("added", "updated", "unchanged", "renamed", "removed", "excluded", "missing", "left_out"),
    *("joined", "films", "film_bytes", "documents", "embedded", "described", "looked_through"),
    "read",
)
NAMED = 100  # photos with the words of a question that are ranked among the nearest ones

TextMode = Literal["auto", "local", "cluster"]


class StoredValue(Protocol):
    """A JSON value that lies in an index beside its photos. It may be a stranger's, or damaged."""

    def read(self) -> Any:
        """None at first, and for what cannot be read."""
        ...

    def change(self, change: Callable[[Any], Any]) -> None:
        """Keeps what `change` makes of it. No other process's change is lost: where two come at the
        same moment, `change` is called again with what the other has made."""
        ...


class TextInside(Protocol):
    """A text model that runs beside the vectors, so that words need not be encoded here."""

    def encode(self, texts: Sequence[str]) -> Vectors: ...

    def search(self, words: str, k: int, where: Filter, wanted: Wanted | None) -> Near:
        """As `Index.search`, or with `wanted` as `Index.search_words`, for the words' vector, in
        one request where the server can."""
        ...


@dataclass(frozen=True, slots=True)
class TextRequest:
    """What decides where words are encoded. `model_id`: the model beside the vectors. `text` and
    `dims`: the index's own text model and vector length, None where it records none. `at_hand`:
    this machine's encoder, None where its model would have to be fetched or exported first.
    `cache`: a folder for what was found out. `ask_anew`: also where the model did not answer a few
    minutes ago."""

    model_id: str
    text: ModelIdentity | None
    dims: int | None
    mode: TextMode
    cache: Path
    at_hand: Callable[[], TextEncoder | None]
    ask_anew: bool = False


@dataclass(frozen=True, slots=True)
class TextChoice:
    """`inside` None: words are encoded on this machine. `reason`: why, in words for a person."""

    inside: TextInside | None
    reason: str


class TextModels(Protocol):
    """Text models that run beside the vectors."""

    def usual_id(self, text_model: str) -> str:
        """The id under which a text model of that name is set up."""
        ...

    def choose(self, request: TextRequest) -> TextChoice:
        """Under mode "cluster" what stands against it is raised: ModelError, ModelUnavailable,
        IndexContradiction."""
        ...

    def obstacle(self) -> str | None:
        """Why no text model can run there at all; None: one can."""
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What only some backends can do. A capability that a backend does not have is None."""

    text_models: TextModels | None = None
    distant: bool = False  # each look into it is a request over the network
    no_parts: str | None = None  # why it can hold no parts of photos; None: it can
    # what was read in those of some photos that have text, by id: `parts` without the other kinds
    texts: Callable[[Sequence[str]], dict[str, PartTexts]] | None = None


@dataclass(frozen=True, slots=True)
class LibrarySummary:
    photos: int
    root_hint: str | None = None  # relative to a local index's folder, if it lies nearby


class PartCount(NamedTuple):
    """`photos`: those that were looked through for a kind of part. `parts`: what they have."""

    photos: int
    parts: int


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What `imgsearch status` shows. `details`: lines of the backend's own, in order."""

    models: ModelPair | None  # None: nothing has been ingested
    schema_version: int
    photos: int
    bytes_on_disk: int
    libraries: dict[str, LibrarySummary]
    last_ingest: dict[str, Any] | None
    details: dict[str, str] = field(default_factory=dict)
    parts: dict[PartKind, PartCount] = field(default_factory=dict)  # those that there are


class Index(Protocol):
    """Errors: `imgsearch.errors.IndexError_` and its children, nothing of a vendor's."""

    place: str  # as the user may write it behind --index
    notes: list[str]  # what the user should hear, one line each: rebuilt, assumed, degraded
    rows_per_write: int  # how many rows `write` takes best at a time

    @property
    def rules(self) -> StoredValue: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def foreign(self) -> bool:
        """Another program's: it can be searched, and written to when the user says so."""
        ...

    @property
    def index_id(self) -> str:
        """Survives moving and renaming: the key of this machine's library roots."""
        ...

    def models(self) -> ModelPair | None:
        """The models of the vectors that are in it; None while it is empty."""
        ...

    def stamp(self, models: ModelPair) -> None:
        """Records the models of an empty index. Raises IndexContradiction on another stamp."""
        ...

    def info(self) -> IndexInfo: ...

    def libraries(self) -> dict[str, LibrarySummary]: ...

    def set_root_hint(self, library: str, root_hint: str | None) -> None: ...

    def fingerprints(self) -> Iterator[Fingerprints]:
        """Size and mtime of every photo in all libraries, in no particular order, as one consistent
        view."""
        ...

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        """The records of those ids that exist, by id."""
        ...

    def photo(self, ids: Sequence[str]) -> tuple[Record, Vector | None] | None:
        """The first of a few that exists, with its vector (None where that is missing); asked for
        together."""
        ...

    def records_by_hash(self, hashes: Sequence[str]) -> dict[str, list[Record]]:
        """All records of each content hash that is known."""
        ...

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """Of whole photos."""
        ...

    def parts(self, ids: Sequence[str]) -> dict[str, Parts]:
        """Of those photos that were looked through for parts."""
        ...

    def rows(self, where: Filter = ALL) -> Iterator[Row]:
        """Every row with its vector, in the order of ids, with bounded memory."""
        ...

    def looks(self, where: Filter = ALL) -> Iterator[Look]:
        """`Look` of every photo, in no particular order, with bounded memory."""
        ...

    def ids(self, where: Filter = ALL) -> Iterator[str]: ...

    def ids_named(self, name: str) -> list[str]:
        """Ids of photos that another program has indexed, by the relative path or the id that it
        gave them: such ids are not made of library and path."""
        ...

    def count(self, where: Filter = ALL) -> int: ...

    def write(self, rows: Sequence[Row], delete: Sequence[str] = ()) -> list[Failure]:
        """Upserts and deletes together, once each, durable on return (locally: one transaction).
        A moved photo is its new row and its old id. Returns what was refused item by item."""
        ...

    def search(
        self, vector: Vector, k: int, where: Filter = ALL, exclude: Collection[str] = ()
    ) -> list[Neighbour]:
        """The k nearest by cosine, best first; ties in the order of ids. Each photo is there once,
        by itself or by its best part, whichever scores higher (`imgsearch.index.parts`)."""
        ...

    def search_words(
        self,
        vector: Vector,
        k: int,
        wanted: Wanted,
        where: Filter = ALL,
        exclude: Collection[str] = (),
    ) -> Near:
        """The k nearest by cosine, and the k (or `NAMED`, if that is more) nearest of those photos
        that have each of the wanted words in their names, caption, tags, place or text."""
        ...

    def match(self, wanted: Wanted, k: int, where: Filter = ALL) -> list[Record]:
        """k photos that have some of the words; those that have all come before the others, and
        those with the very string before all."""
        ...

    def sample(self, size: int) -> Vectors:
        """Up to `size` vectors (n, dims) from all over the index; all of them where it holds no
        more. Costs no more in a large index than in a small one."""
        ...

    def browse(self, where: Filter, order: BrowseOrder, k: int, offset: int = 0) -> list[Record]:
        """k photos from position `offset` on, by the time they were taken; those of one moment in
        the order of ids. Photos without a date come last, whatever the order."""
        ...

    def facets(self, where: Filter, names: Collection[Facet]) -> dict[Facet, list[tuple[str, int]]]:
        """How many photos have each value: "2019", "2019-07", "IT", "Florence", "holiday/italy"
        (`Record.folder`). Years and months newest first, else most photos first; `FACET_VALUES` at
        most. Photos without a value are not counted."""
        ...

    def finish(self, progress: Progress = silent) -> None:
        """Makes what is derived complete (merged, refreshed). Nothing is lost without it."""
        ...

    def record_ingest(self, report: dict[str, Any]) -> None:
        """Keeps the last ingest's summary, for `status`."""
        ...

    def erase(self, ids: Iterable[str]) -> int:
        """Deletes, so that neither vectors nor metadata stay in any file; returns how many."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Held while ingesting. Raises IndexLocked, naming the holder, where only one may."""
        ...

    def successor(self, models: ModelPair) -> Index:
        """An empty (or half-filled, by an interrupted call) index of other models beside this one,
        for `ingest --re-embed`. This one serves until the successor's `promote`."""
        ...

    def promote(self, catch_up: Callable[[], object] = lambda: None) -> None:
        """Puts a successor in its predecessor's place, which is then deleted. `catch_up` is called
        where other machines have written to the predecessor meanwhile: it brings their photos into
        the successor. Raises IndexUnavailable, and changes nothing, where some are still missing
        then."""
        ...

    def close(self) -> None: ...


__all__ = [
    "ALL",
    "NO_TEXTS",
    "PART_KINDS",
    "Failure",
    "Filter",
    "Fingerprint",
    "Fingerprints",
    "Look",
    "Near",
    "Neighbour",
    "Part",
    "PartKind",
    "PartTexts",
    "PartVectors",
    "Parts",
    "Place",
    "Record",
    "Row",
    "Wanted",
    "parts_mark",
]
