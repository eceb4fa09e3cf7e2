"""One open index with its models and the folders of its libraries: what the command line, the web
page and Python programs use.

    import imgsearch

    with imgsearch.open("photos") as library:
        for hit in library.search("red car", k=5):
            print(hit.path, hit.score)

A `Library` may be used from several threads at once. It prints nothing: what a person should hear,
and how far long work has come, goes to its `Talk`."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch import paths
from imgsearch.errors import Closed, ModelError, PhotoError
from imgsearch.escaping import shown
from imgsearch.index import open_index
from imgsearch.models.selection import ModelChoice, ModelSelection
from imgsearch.progress import SILENT, Talk
from imgsearch.question import ALL, Box, Filter, Folder, Question, Term
from imgsearch.roots import Roots, locations, named
from imgsearch.search import photo_names, question_checks, question_to_hits
from imgsearch.search.index_sample import Background
from imgsearch.search.line_reader import LineReader
from imgsearch.settings import Settings

if TYPE_CHECKING:
    from imgsearch.copies.groups import Duplicates
    from imgsearch.index.base import (
        BrowseOrder,
        Facet,
        Index,
        IndexInfo,
        Near,
        Record,
        TextChoice,
        TextMode,
        Wanted,
    )
    from imgsearch.ingest.options import Options
    from imgsearch.ingest.result import Result as IngestResult
    from imgsearch.models.base import Vector, Vectors
    from imgsearch.results import Results

FITS_ALWAYS = 24  # characters: every model reads at least so many tokens


def index_place(settings: Settings) -> paths.LocalPlace | paths.ClusterPlace:
    return paths.index_place(settings.index, settings.es_url, settings.es_cloud_id)


def model_cache() -> Path:
    """The folder of exported models."""
    return paths.cache_dir() / "models"


def open_library(settings: Settings, *, create: bool = False, talk: Talk = SILENT) -> Library:
    """The index that the settings name. `create`: make it where there is none, for ingesting.
    Raises IndexNotFound, IndexUnavailable, UsageError and the other children of ImgsearchError."""
    place = index_place(settings)
    folder = place.folder if isinstance(place, paths.LocalPlace) else None
    if create and folder is not None:
        from imgsearch.index.local.generations import check_free

        check_free(folder)
    index = open_index(place, settings, create=create)
    try:
        roots = Roots(index, paths.data_dir() / "libraries.json", folder)
    except BaseException:  # Ctrl-C too leaves no connection open
        index.close()
        raise
    return Library(index, roots, settings, talk)


class Library:
    """See the module. Made by `open_library` or `imgsearch.open`."""

    def __init__(self, index: Index, roots: Roots, settings: Settings, talk: Talk = SILENT) -> None:
        self.index, self.roots, self.settings, self.talk = index, roots, settings, talk
        chosen = ModelChoice(
            settings.model, settings.image_model, settings.text_model, settings.precision
        )
        self.models = ModelSelection(chosen, index.models, index.place, model_cache(), talk)
        self.pictures: dict[str, bytes] = {}  # without a file, by the name that a term gives them
        self.background = Background(index, paths.cache_dir() / "samples")
        self.lines = LineReader(index)
        self._lock = threading.RLock()
        self._text_choice: TextChoice | None = None  # asked for once
        self._just_found: dict[str, Vector] = {}  # by `like`, for the search that follows

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Every other method raises UsageError afterwards."""
        index = self.index
        if isinstance(index, Closed):
            return
        for note in index.notes:
            self.talk.tell(note)
        index.close()
        closed: Any = Closed()
        self.index = self.roots = self.models = self.background = self.lines = closed
        self._text_choice, self._just_found = None, {}

    # -- asking

    def search(self, question: str | Question, **others: Any) -> Results:
        """The photos that answer a question, best first. Words may stand for a question; `others`
        are fields of `Question`, such as `k=5`. Raises UsageError (nothing is asked for, or a field
        does not exist), IndexNotFound (nothing has been ingested), ModelError, PhotoError."""
        self.roots.refresh()
        asked = Question.of(question) if isinstance(question, str) else question
        return question_to_hits.ask(
            self.index, self.roots, self, question_checks.changed(asked, others)
        )

    def understand(self, text: str, where: Filter = ALL) -> Question:
        """The question that a line of words asks, `where` included: a date or a place that is named
        and that photos of this index have becomes a filter. Costs nothing where no photo of an
        index on this machine has a date; an index that is distant is asked only about a date or a
        place that the words may name."""
        return self.lines.question(text, where)

    def similar(
        self, photo: str | os.PathLike[str], box: Box | None = None, **others: Any
    ) -> Results:
        """The photos that look like another one: a picture file, or the id or relative path of an
        indexed photo, which itself is left out. `box`: like that part of it (left, top, width and
        height in pixels of the upright picture)."""
        return self.search(self.like(photo, box=box), **others)

    def like(
        self, photo: str | os.PathLike[str], weight: float = 1.0, box: Box | None = None
    ) -> Question:
        """The question that `similar` asks, to be joined with other terms. Raises PhotoError."""
        self.check_not_empty()
        name = os.fspath(photo)
        found = photo_names.find_photo(self.index, self.roots, name)
        record, vector = found or (None, None)
        self._just_found = {} if record is None or vector is None else {record.id: vector}
        if record is None and not Path(name).is_file():
            record = photo_names.find_shown(self.index, self.roots, name)
        if record is not None and photo_names.is_current(record, Path(name)):
            return Question(terms=(Term(photo=record.id, weight=weight, box=box),))
        if not Path(name).is_file():
            raise photo_names.no_picture(name)
        exclude = () if record is None else (record.id,)
        return Question(terms=(Term(picture=name, weight=weight, box=box),), exclude=exclude)

    def embed_text(self, words: str) -> Vector:
        """A unit vector (dims,), made beside the index or on this machine."""
        inside = self.text_choice().inside
        if inside is not None:
            try:
                made: Vector = inside.encode([words])[0]
                return made
            except ModelError as error:
                self._encode_here_instead(error)
        encoder = self.models.text_encoder()
        read = encoder.characters_read(words) if len(words) > FITS_ALWAYS else None
        if read is not None:
            self.talk.tell(
                f"Only the first {read:,} of {len(words):,} characters were used: the model reads"
                " no longer texts."
            )
        vector: Vector = encoder.encode([words])[0]
        return vector

    def stored(self, id: str) -> Vector | None:
        """The vector of a photo in the index; None where it is missing."""
        found = self._just_found.pop(id, None)  # at most once: another ingest may change it
        return self.index.vectors([id]).get(id) if found is None else found

    def embed_picture(self, path: str, box: Box | None = None) -> Vector:
        """A unit vector (dims,) of a picture file, or of one in `pictures`; or of a part of it.
        Raises PhotoError."""
        source = self.pictures.get(path, path)
        if isinstance(source, str) and not Path(path).is_file():
            raise PhotoError(f"There is no file '{shown(path)}'.", "Name a picture file.")
        encoder = self.models.image_encoder()
        return question_to_hits.embed_picture(
            source, path, encoder, self.settings.max_megapixels, box
        )

    def embed_part(self, id: str, box: Box) -> Vector:
        """A unit vector (dims,) of a part of a photo in the index. Raises PhotoError, also where
        the photo's file is not on this machine."""
        record = self.record(id)
        if record is None:
            raise question_to_hits.no_such_photo(id, self.index.place)
        found = self.location(record)
        if found.path is None or found.missing:
            raise PhotoError(
                f"The file of {shown(record.relative_path)} is not here, so a part of it cannot be"
                " seen.",
                "Ask with the whole photo, or name a picture file.",
            )
        return self.embed_picture(os.fsdecode(found.path), box)

    def sample(self, needed: bool = True) -> Vectors | None:
        return self.background.vectors(needed=needed)

    def search_text(self, words: str, k: int, where: Filter, wanted: Wanted | None) -> Near | None:
        """The photos nearest to words in one request, where the index makes the vector itself."""
        inside = self.text_choice().inside
        if inside is None:
            return None
        try:
            return inside.search(words, k, where, wanted)
        except ModelError as error:
            self._encode_here_instead(error)
            return None

    def _encode_here_instead(self, error: ModelError) -> None:
        from imgsearch.index.base import TextChoice

        if self.settings.text_encoder == "cluster":
            raise error
        self.talk.tell(f"{error.message}\nThe text is encoded on this machine instead.")
        self._text_choice = TextChoice(None, error.message)

    def text_choice(self, mode: TextMode | None = None, *, ask_anew: bool = False) -> TextChoice:
        """Where words are encoded, and why; `mode`: the setting's, unless another one is named;
        `ask_anew`: also where the model beside the index did not answer a few minutes ago. Raises
        UsageError, ModelError, ModelUnavailable where mode is "cluster" and it cannot be had."""
        if mode is not None:
            return self._choose_text(mode, ask_anew)
        with self._lock:
            if self._text_choice is None:
                self._text_choice = self._choose_text(self.settings.text_encoder, ask_anew)
            return self._text_choice

    def _choose_text(self, mode: TextMode, ask_anew: bool) -> TextChoice:
        from imgsearch.search import text_encoding

        return text_encoding.choose(self.index, self.models, self.settings, mode, ask_anew)

    # -- photos

    def record(self, id: str) -> Record | None:
        """The photo with that id, None where there is none."""
        return self.index.records([id]).get(id)

    def name_root(self, text: str) -> None:
        """[LIBRARY=]FOLDER: where a library lies on this machine, which is remembered. Raises
        PhotoError and UsageError."""
        named.name_root(text, self.roots, self.index)

    def location(self, record: Record) -> locations.Located:
        """Where the photo lies on this machine. Every output goes by this answer."""
        return locations.located(self.roots.root(record.library), record)

    def folder(self, name: str) -> Filter:
        """Photos under a folder on disk, a library, or a folder within a library. Raises
        UsageError where it is none of them."""
        return photo_names.folder_filter(self.index, self.roots, name)

    def check_folders(self, folders: Sequence[Folder]) -> None:
        """Raises UsageError where no photo lies in one of them."""
        photo_names.check_folders(self.index, folders)

    def count(self, where: Filter = ALL) -> int:
        return self.index.count(where)

    def browse(
        self, where: Filter = ALL, order: BrowseOrder = "newest", k: int = 10, offset: int = 0
    ) -> list[Record]:
        """k photos from position `offset` on, by date; those without one come last."""
        return self.index.browse(where, order, k, offset)

    def facets(
        self, where: Filter = ALL, names: Collection[Facet] | None = None
    ) -> dict[Facet, list[tuple[str, int]]]:
        """How many of these photos there are for each year, month, country, city, camera, folder,
        format and orientation (`names`: which of them), as `Index.facets` says."""
        from imgsearch.index.base import FACETS

        return self.index.facets(where, FACETS if names is None else names)

    def duplicates(self, where: Filter = ALL, threshold: float = 0.95) -> Duplicates:
        """Copies of one picture, in groups: see `imgsearch.copies.groups.find`."""
        from imgsearch.copies import hashes

        limit = self.settings.max_megapixels
        return hashes.duplicates(self.index, self.roots, self.talk, limit, where, threshold)

    def status(self) -> IndexInfo:
        return self.index.info()

    def check_not_empty(self) -> None:
        """Raises IndexNotFound where nothing has been ingested."""
        question_to_hits.check_not_empty(self.index)

    # -- filling and emptying

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process may ingest into a local index at a time. Raises IndexLocked."""
        with self.index.lock():
            yield

    def ingest(
        self,
        paths: Sequence[str | os.PathLike[str]] | None = None,
        options: Options | None = None,
        name: str | None = None,
        *,
        files: Iterable[str | os.PathLike[str]] | None = None,
    ) -> IngestResult:
        """Brings folders and files into the index; `files`: files alone; neither: all libraries of
        this machine, again. `name`: of a new library, else the folder's name; one of single files
        holds no others. While `locked`. Raises PhotoError, UsageError, IndexContradiction."""
        from imgsearch.ingest import run

        return run.ingest(self, paths, options, name, files)

    def re_embed(self, options: Options) -> IngestResult:
        """Everything anew with the chosen models, into a second index beside this one, which serves
        until the second is complete. To be called while `locked`."""
        from imgsearch.ingest import run

        return run.re_embed(self, options)

    def beside(self, index: Index) -> Library:
        """The same folders and settings on the index that is to take this one's place."""
        return Library(index, self.roots, self.settings, self.talk)

    def remove(self, ids: Sequence[str], libraries: Sequence[str] = ()) -> int:
        """Takes photos out of the index for good: later ingests pass over them, but for those of
        `libraries`, which are forgotten. Returns how many there were. No file is touched."""
        from imgsearch.ingest import rules

        with self.index.lock():
            removed = rules.erase(self.index, ids, libraries)
            for library in libraries:
                self.roots.forget(library)
        return removed
