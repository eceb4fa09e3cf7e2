"""Opens the parts that a command works with, by its settings: index, roots, models, encoders."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from imgsearch import paths, settings
from imgsearch.cli.error_handler import hide, listen, say
from imgsearch.cli.options import Common
from imgsearch.paths import ClusterPlace, LocalPlace

if TYPE_CHECKING:
    from imgsearch.index.base import Index
    from imgsearch.ingest.sources import Roots
    from imgsearch.models import Check, Kind, ModelNames, ModelSet
    from imgsearch.models.base import ImageEncoder, ModelIdentity, ModelPair, TextEncoder
    from imgsearch.settings import Settings


def load_settings(common: Common, *, ask: bool = True, **options: Any) -> Settings:
    """`ask`: about a file of the working directory that is not allowed yet; where there is no
    terminal, or the command only looks, its settings that need permission are left out.
    Raises SettingsError."""
    from imgsearch.cli import permission

    listen(common.verbose)
    _allow_model_code(common.options.get("trust_model_code") or ())
    given = {**common.options, **options}
    loaded = settings.load(given)
    if ask and permission.granted(loaded.not_obeyed):
        loaded = settings.load(given)
    for secret in loaded.secrets():
        hide(secret)
    for note in loaded.notes:
        say(note)
    return loaded


def _allow_model_code(folders: Iterable[str]) -> None:
    """Only the command line may say so: there is no setting of this name."""
    from imgsearch.errors import UsageError

    for name in folders:
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise UsageError(
                f"--trust-model-code: {paths.shown(folder)} is not a folder.",
                "Name the model's folder, the one that holds modules.json or config.json.",
            )
        from imgsearch.models import trust

        trust.allow(folder)


def index_place(chosen: Settings) -> LocalPlace | ClusterPlace:
    return paths.index_place(chosen.index, chosen.es_url, chosen.es_cloud_id)


@dataclass(frozen=True, slots=True)
class Parts:
    """An open index, its libraries' roots on this machine, and the models that go with it."""

    settings: Settings
    index: Index
    roots: Roots

    def model_names(self) -> ModelNames:
        """What the user chose, else what the index records, else the default pair."""
        from imgsearch.models import recorded

        chosen = self.settings
        return recorded.names_beside(
            self.index.models(),
            model_cache(),
            chosen.model,
            chosen.image_model,
            chosen.text_model,
        )

    def model_set(self) -> ModelSet:
        """The towers, fetched and exported if need be, and checked against the index."""
        check = same_as_recorded(self.index.models(), self.index.place)
        return ready_models(self.model_names(), check)

    def check_model_options(self) -> None:
        """An option that contradicts the index is an error even when nothing will be embedded;
        but nothing is downloaded only to say so."""
        from imgsearch import models
        from imgsearch.errors import IndexContradiction

        recorded = self.index.models()
        if recorded is None:
            return
        self.precision()
        chosen = self.settings
        if not (chosen.model or chosen.image_model or chosen.text_model):
            return
        names = self.model_names()
        if (names.image, names.text) == (recorded.image_model.name, recorded.text_model.name):
            return
        found = models.cached(names, model_cache())
        if found is not None:
            _check_pair(found.pair(), same_as_recorded(recorded, self.index.place))
        elif not (models.is_directory(names.image) or models.is_directory(names.text)):
            raise IndexContradiction(
                f"{self.index.place} was made with {recorded.image_model.name} and"
                f" {recorded.text_model.name}; the options say {names.image} and {names.text}.",
                _CONTRADICTION_CURE,
            )
        else:
            self.model_set()

    def precision(self) -> Literal["auto", "f32", "bf16", "int8"]:
        """The one asked for; `auto` is what the index was made with."""
        from imgsearch.errors import IndexContradiction

        asked: Literal["auto", "f32", "bf16", "int8"] = self.settings.precision
        recorded = self.index.models()
        if recorded is None or asked == "auto":
            return "int8" if recorded is not None and recorded.quantized else asked
        if recorded.quantized != (asked == "int8"):
            made = "int8" if recorded.quantized else "f32 or bf16"
            raise IndexContradiction(
                f"{self.index.place} was made with precision {made}; the option says {asked}.",
                _CONTRADICTION_CURE,
            )
        return asked

    def text_encoder(self) -> TextEncoder:
        from imgsearch.models import encoders

        return encoders.text_encoder(self.model_set().text)

    def image_encoder(self) -> ImageEncoder:
        """For one picture."""
        from imgsearch.models import encoders

        return encoders.image_encoder(self.model_set().image)

    def ingest_encoder(self, workers: int) -> ImageEncoder:
        """For many; stamps an index that is empty with its models."""
        from imgsearch.models import encoders

        found, precision = self.model_set(), self.precision()
        encoder = encoders.ingest_encoder(
            found.image, precision=precision, streams=workers, tell=say
        )
        self.index.stamp(found.pair(quantized=precision == "int8"))
        return encoder

    @contextlib.contextmanager
    def successor(self) -> Iterator[Parts]:
        """An index beside this one, of the models that the options name."""
        from imgsearch import models

        chosen = self.settings
        recorded = self.index.models()
        if chosen.model or recorded is None:
            names = models.model_names(chosen.model, chosen.image_model, chosen.text_model)
        else:
            names = self.model_names()
        pair = ready_models(names).pair(quantized=chosen.precision == "int8")
        index = self.index.successor(pair)
        try:
            yield Parts(chosen, index, self.roots)
        finally:
            self.index.notes.extend(index.notes)
            index.close()


_CONTRADICTION_CURE = (
    "Leave the option out, use another --index, or embed everything anew:"
    " imgsearch ingest --re-embed"
)


def model_cache() -> Path:
    return paths.cache_dir() / "models"


def same_as_recorded(recorded: ModelPair | None, place: str) -> Check | None:
    """What raises IndexContradiction for another model than the index was made with."""
    from imgsearch.errors import IndexContradiction

    if recorded is None:
        return None

    def check(kind: Kind, ours: ModelIdentity) -> None:
        theirs = recorded.image_model if kind == "image" else recorded.text_model
        if not ours.same_as(theirs):
            same_name = " (other weights of the same name)" if ours.name == theirs.name else ""
            raise IndexContradiction(
                f"{place} was made with the {kind} model {theirs.name};"
                f" this command would use {ours.name}{same_name}.",
                _CONTRADICTION_CURE,
            )

    return check


def _check_pair(pair: ModelPair, check: Check | None) -> None:
    if check is not None:
        check("image", pair.image_model)
        check("text", pair.text_model)


def ready_models(names: ModelNames, check: Check | None = None) -> ModelSet:
    """The exported towers: from the cache, else set up now, with a bar. `check` sees each model's
    digest before anything of the model is loaded."""
    from imgsearch import models
    from imgsearch.cli.progress import bytes_bar

    cache = model_cache()
    found = models.cached(names, cache)
    if found is None:
        _ask_before_fetching(names, cache)
        with bytes_bar() as progress:
            found = models.set_up(names, cache, progress, check)
    _check_pair(found.pair(), check)
    for tower in (found.image, found.text):
        if tower.warning:
            say(tower.warning)
    return found


def _ask_before_fetching(names: ModelNames, cache: Path) -> None:
    """A model that only the index names is fetched where the user agrees."""
    import typer

    from imgsearch.errors import ModelUnavailable
    from imgsearch.models import recorded

    missing = recorded.to_be_fetched(names, cache)
    if not missing:
        return
    said = f"The index was made with {' and '.join(missing)}, which this machine does not have."
    if sys.stdin.isatty() and sys.stderr.isatty():
        say(said)
        if typer.confirm("Fetch it from the Hugging Face hub?", err=True):
            return
    options = " ".join(f"--{kind}-model {getattr(names, kind)}" for kind in names.from_index)
    raise ModelUnavailable(said, f"To have it fetched from the hub, name it: {options}")


@contextlib.contextmanager
def opened(chosen: Settings, *, create: bool = False) -> Iterator[Parts]:
    from imgsearch.index import open_index
    from imgsearch.ingest.sources import Roots

    place = index_place(chosen)
    if create and isinstance(place, LocalPlace):
        _check_free(place)
    index = open_index(place, chosen, create=create)
    try:
        folder = place.folder if isinstance(place, LocalPlace) else None
        yield Parts(chosen, index, Roots(index, paths.data_dir() / "libraries.json", folder))
    finally:
        for note in index.notes:
            say(note)
        index.close()


@contextlib.contextmanager
def opened_for_ingest(chosen: Settings) -> Iterator[Parts]:
    with opened(chosen, create=True) as open_parts, open_parts.index.lock():
        yield open_parts


@contextlib.contextmanager
def opened_for_dry_run(chosen: Settings) -> Iterator[Parts]:
    """Where there is no index yet, an empty one elsewhere stands in: nothing may be made."""
    import tempfile

    from imgsearch.errors import IndexNotFound

    try:
        with opened(chosen) as open_parts:
            yield open_parts
    except IndexNotFound:
        with tempfile.TemporaryDirectory(prefix="imgsearch-") as folder:
            scratch = settings.defaults(index=folder, model=chosen.model)
            with opened(scratch, create=True) as open_parts:
                yield open_parts


def _check_free(place: LocalPlace) -> None:
    """An index makes a folder of its own; it does not move in with somebody's files."""
    from imgsearch.errors import UsageError
    from imgsearch.index.local.generations import holds_other_files

    folder = place.folder
    if folder.is_dir() and not (folder / "CURRENT").exists() and holds_other_files(folder):
        raise UsageError(
            f"{paths.shown(folder)} holds other files, and no index.",
            f"Name a folder for the index alone, such as --index {folder}/.imgsearch",
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"{paths.shown(folder)} is a file.", "Name a folder for the index: --index PATH"
        )
