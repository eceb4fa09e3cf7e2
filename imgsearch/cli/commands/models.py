"""`imgsearch models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imgsearch.cli.options import Common, JsonObject
from imgsearch.cli.program import command

if TYPE_CHECKING:
    from rich.table import Table

    from imgsearch.models.choices import Choice

NOTES = """
photos/s: embedded on {machine}, with random weights of that
architecture. COCO, 36 languages: published recall@1 of words to pictures in
percent; the default's are its teacher's. *: ready on this machine. More with
--json.

Choose one:                  imgsearch ingest --model good ~/Pictures
For an index that exists:    imgsearch ingest --re-embed --model good
What that costs here:        imgsearch ingest --re-embed --model good --dry-run"""


@command("models", JsonObject, examples=["imgsearch models"])
def models(common: Common, given: JsonObject) -> None:
    """List the models that can be chosen by a short name."""
    from imgsearch.models.choices import CHOICES, MEASURED_ON
    from imgsearch.output import console as rendering

    del common  # the same for every index
    here = {name: _is_here(choice) for name, choice in CHOICES.items()}
    if given.json:
        rendering.print_json([_as_dict(choice, here[name]) for name, choice in CHOICES.items()])
        return
    screen = rendering.console()
    screen.print(_table(here))
    screen.print(NOTES.format(machine=MEASURED_ON), markup=False, highlight=False, soft_wrap=True)


def _is_here(choice: Choice) -> bool:
    """Whether it is ready on this machine: exported, so that nothing is fetched."""
    from imgsearch import library
    from imgsearch.models.cache import cached
    from imgsearch.models.names import ModelNames

    return cached(ModelNames(choice.image, choice.text), library.model_cache()) is not None


def _table(here: Mapping[str, bool]) -> Table:
    from rich.table import Table

    from imgsearch.models.choices import CHOICES

    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for title in ("photos/s", "dims", "fetch", "COCO", "36 lang."):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("languages", no_wrap=True)
    table.add_column("", overflow="fold")
    for name, choice in CHOICES.items():
        table.add_row(
            name + (" *" if here[name] else ""),
            f"{choice.photos_per_second:g}",
            str(choice.dims),
            f"{choice.gigabytes:g} GB" if choice.gigabytes else "-",
            _percent(choice.coco),
            _percent(choice.languages_36),
            choice.languages,
            choice.purpose,
        )
    return table


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _as_dict(choice: Choice, here: bool) -> dict[str, Any]:
    from imgsearch.models.choices import work
    from imgsearch.models.names import shown_name

    return {
        "name": choice.name,
        "image_model": shown_name(choice.image),
        "text_model": shown_name(choice.text),
        "purpose": choice.purpose,
        "ready": here,
        "million_parameters": choice.parameters,
        "dims": choice.dims,
        "gigabytes": choice.gigabytes,
        "languages": choice.languages,
        "licence": choice.licence,
        "work": round(work(choice), 2),
        "photos_per_second": choice.photos_per_second,
        "coco_recall_at_1": choice.coco,
        "xm3600_recall_at_1": choice.languages_36,
        "source": choice.source,
    }
