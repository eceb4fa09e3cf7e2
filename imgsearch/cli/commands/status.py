"""`imgsearch status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgsearch.cli import hints, opening
from imgsearch.cli.index_state import Known, look
from imgsearch.cli.options import INDEX_ALONE, MODELS, Common, JsonObject
from imgsearch.cli.program import command
from imgsearch.escaping import shown
from imgsearch.ingest import rules as library_rules
from imgsearch.output import cures

if TYPE_CHECKING:
    from imgsearch.index.base import IndexInfo
    from imgsearch.ingest.part_costs import Holding
    from imgsearch.ingest.rules import Rules
    from imgsearch.settings import NotObeyed, Settings

COUNTS = ("added", "updated", "unchanged", "renamed", "removed", "excluded")


@command(
    "status",
    JsonObject,
    (*INDEX_ALONE, *MODELS, "text_encoder"),
    brief=True,
    examples=["imgsearch status"],
)
def status(common: Common, given: JsonObject) -> None:
    """Show where the index is and what is in it.

    With -v, every setting and its source.
    """
    chosen = opening.load_settings(common, ask=False)
    known = look(chosen)
    if given.json:
        from imgsearch.output import console as rendering

        rendering.print_json(_as_dict(known, chosen))
    else:
        _show(known, chosen, bool(common.verbose))
    if known.error is not None:
        raise known.error


def _show(known: Known, chosen: Settings, verbose: bool) -> None:
    from imgsearch import paths
    from imgsearch.output import console as rendering

    folders = {name: folder for name, folder in _model_folders().items() if folder is not None}
    facts = {"index": known.place} | _facts(known, verbose) | folders
    if verbose:
        facts |= _details(known)
    rendering.print_facts("Index", facts)
    if known.skipped and verbose:
        named = {skip["path"]: f"{skip['reason']} ({skip['detail']})" for skip in known.skipped}
        rendering.print_facts("Skipped by the last ingest", named, apart=True)
    if verbose or known.error:
        lines = {
            name: f"{_shown(setting['value'])}  ({setting['source']})"
            for name, setting in _settings(chosen).items()
            if verbose or setting["source"] != "default"
        }
        rendering.print_facts("Settings", lines, apart=True)
    if chosen.not_obeyed:
        withheld = {
            paths.shown(each.file.path): f"{', '.join(each.settings) or 'everything'}: "
            f"{each.why}. {cures.shown(each.cure)}"
            for each in chosen.not_obeyed
        }
        rendering.print_facts("Not obeyed", withheld, apart=True)


def _model_folders() -> dict[str, str | None]:
    """Where models lie, exported and as they were fetched; the latter None where nothing is."""
    from imgsearch import paths
    from imgsearch.library import model_cache
    from imgsearch.models import hub

    fetched = hub.cache_folder()
    return {
        "model cache": paths.shown(model_cache()),
        "fetched models": None if fetched is None else paths.shown(fetched),
    }


def _facts(known: Known, verbose: bool) -> dict[str, str]:
    """The lines that `status` prints; with `verbose` all of them."""
    from imgsearch.output import console as rendering

    if known.error is not None:
        return {"photos": "not known: the index cannot be read"}
    if known.info is None:
        return {"photos": hints.as_typed("none yet: imgsearch ingest ./photos")}
    info = known.info
    facts = {"photos": f"{info.photos:,}"}
    for name, summary in info.libraries.items():
        where = known.roots.get(name, "a folder of another machine")
        if name in known.folders:
            where += f" (here only {', '.join(known.folders[name])})"
        photos = rendering.count(summary.photos, "photo")
        facts[f"library {name}"] = "\n".join([f"{photos} in {where}", *_rules(known, name)])
    if info.models is not None:
        facts["model"] = _model(info)
    if known.int8 is not None:
        facts["int8"] = known.int8.said
    if known.encoded:
        facts["queries are encoded"] = known.encoded
    if known.last_ingest.get("joined"):
        joined = known.last_ingest["joined"]
        facts["joined"] = (
            f"{joined:,} RAW files (--raw-pairs two parts them) or short films, each one photo with"
            " its JPEG or HEIC"
        )
    if known.last_ingest:
        facts["last ingest"] = _last_ingest(known.last_ingest, verbose)
    if known.holding is not None and (info.parts or verbose):
        facts |= _parts(known.holding)
    facts["size"] = rendering.size(info.bytes_on_disk)
    return facts


def _parts(holding: Holding) -> dict[str, str]:
    """What there is of each kind, and what the rest would cost."""
    from imgsearch import cpu_and_memory
    from imgsearch.ingest import part_costs
    from imgsearch.ingest.decisions import NAMES_OF_PARTS

    return {
        part_costs.NAMES[kind]: f"{said} (ingest --{NAMES_OF_PARTS[kind]})" if to_be_asked else said
        for kind, said, to_be_asked in part_costs.said(
            holding, cpu_and_memory.cores(), NAMES_OF_PARTS
        )
    }


def _rules(known: Known, library: str) -> list[str]:
    """What differs from what every library begins with."""
    from imgsearch.ingest.decisions import NAMES_OF_PARTS

    rules = known.rules.get(library, library_rules.Rules())
    told = []
    if rules.exclude:
        told.append(f"excludes {', '.join(map(shown, rules.exclude))} (--no-exclude forgets that)")
    if rules.removed:
        stay = "photo stays" if len(rules.removed) == 1 else "photos stay"
        told.append(f"{len(rules.removed):,} removed {stay} out (--include-removed lifts that)")
    if rules.raw_apart:
        told.append("a RAW and its JPEG are two photos (--raw-pairs one)")
    for kind in rules.parts:
        name = NAMES_OF_PARTS.get(kind, kind)
        what = "films are ingested" if kind == "frame" else f"photos get {name}"
        told.append(f"{what} (--no-{name} ends that)")
    return told


def _model(info: IndexInfo) -> str:
    assert info.models is not None
    pair = info.models
    names = dict.fromkeys([pair.image_model.name, pair.text_model.name])
    kind = ", int8" if pair.quantized else ""
    return f"{' and '.join(names)} ({pair.dims} dims{kind})"


def _last_ingest(report: dict[str, Any], verbose: bool) -> str:
    from imgsearch.output import console as rendering

    finished = str(report.get("finished", ""))
    counts = [f"{report[name]:,} {name}" for name in COUNTS if report.get(name)]
    skipped = len(report.get("skipped", []))
    if skipped:
        counts.append(f"{skipped:,} skipped" + ("" if verbose else " (-v names them)"))
    return "; ".join(filter(None, [rendering.moment(finished), ", ".join(counts)]))


def _details(known: Known) -> dict[str, str]:
    if known.info is None:
        return {}
    info, facts = known.info, {}
    if info.models is not None:
        facts["image model"] = info.models.image_model.name
        facts["text model"] = info.models.text_model.name
        facts["dims"] = str(info.models.dims)
        if info.photos:
            each = info.bytes_on_disk / info.photos
            facts["bytes per photo"] = f"{each:,.0f}"
            facts["bytes per photo and dimension"] = f"{each / info.models.dims:,.2f}"
    facts["schema version"] = str(info.schema_version)
    return facts | info.details


def _as_dict(known: Known, chosen: Settings) -> dict[str, Any]:
    """The same as JSON values: numbers are numbers, and what is not known is null.
    `guides/reference/json.md` documents the keys."""
    info = known.info
    pair = None if info is None else info.models
    last = {name: value for name, value in known.last_ingest.items() if name != "skipped"}
    error = known.error
    return {
        "index": {
            "place": known.place,
            "photos": _photos(known),
            "bytes_on_disk": None if info is None else info.bytes_on_disk,
            "schema_version": None if info is None else info.schema_version,
            "image_model": None if pair is None else pair.image_model.name,
            "text_model": None if pair is None else pair.text_model.name,
            "dims": None if pair is None else pair.dims,
            "int8_model": None if pair is None else pair.quantized,
            "int8_trial": None if known.int8 is None else known.int8.as_dict(),
            "queries_encoded": known.encoded or None,
            "details": {} if info is None else info.details,
        },
        "error": error
        and {
            "message": error.message,
            "cure": cures.shown(error.cure, error.action),
        },
        "parts": {} if info is None else {kind: n._asdict() for kind, n in info.parts.items()},
        "libraries": [] if info is None else [_library(known, name) for name in info.libraries],
        "last_ingest": {**last, "skipped": len(known.skipped)} if last else None,
        "skipped": known.skipped,
        **{name.replace(" ", "_"): folder for name, folder in _model_folders().items()},
        "settings": _settings(chosen),
        "not_obeyed": [_not_obeyed(each) for each in chosen.not_obeyed],
    }


def _library(known: Known, name: str) -> dict[str, Any]:
    assert known.info is not None
    return {
        "name": name,
        "photos": known.info.libraries[name].photos,
        "root": known.roots.get(name),
        **_rules_as_dict(known.rules.get(name, library_rules.Rules())),
    }


def _rules_as_dict(rules: Rules) -> dict[str, Any]:
    return {
        "exclude": list(rules.exclude),
        "removed": len(rules.removed),
        "raw_pairs": "two" if rules.raw_apart else "one",
        "parts": list(rules.parts),
    }


def _not_obeyed(withheld: NotObeyed) -> dict[str, Any]:
    from imgsearch import paths

    return {
        "file": paths.shown(withheld.file.path),
        "settings": {name: setting.value for name, setting in withheld.settings.items()},
        "why": withheld.why,
        "cure": cures.shown(withheld.cure),
    }


def _photos(known: Known) -> int | None:
    if known.info is not None:
        return known.info.photos
    return None if known.error else 0


def _shown(value: Any) -> str:
    """A setting's value as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else str(value)


def _settings(chosen: Settings) -> dict[str, dict[str, Any]]:
    return {
        name: {"value": setting.value, "source": setting.source}
        for name, setting in chosen.shown().items()
    }
