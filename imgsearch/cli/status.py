"""`imgsearch status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgsearch.cli import cluster, parts
from imgsearch.cli.common import Common, command

if TYPE_CHECKING:
    from imgsearch.index.base import IndexInfo
    from imgsearch.libraries import Roots
    from imgsearch.settings import NotObeyed, Settings


def register(app: typer.Typer) -> None:
    command(app)(status)


def status(
    common: Common,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show where the index is, what is in it, and every setting with its source."""
    from imgsearch import places, rendering
    from imgsearch.errors import IndexNotFound

    chosen = parts.load_settings(common, ask=False)
    facts: dict[str, str] = {"index": str(parts.index_place(chosen))}
    skipped: list[dict[str, str]] = []
    try:
        with parts.opened(chosen) as open_parts:
            info = open_parts.index.info()
            facts |= _facts(info) | _libraries(info, open_parts.roots)
            if cluster.on_cluster(chosen) and info.photos:
                facts["queries are encoded"] = cluster.encoded_where(open_parts)
            skipped = (info.last_ingest or {}).get("skipped", [])
    except IndexNotFound:
        facts["photos"] = "none yet: imgsearch ingest ./photos"
    facts["model cache"] = str(places.cache_dir() / "models")
    settings = _settings(chosen)
    if json:
        withheld = [_not_obeyed(each) for each in chosen.not_obeyed]
        rendering.print_json(
            {"index": facts, "skipped": skipped, "settings": settings, "not_obeyed": withheld}
        )
        return
    console = rendering.console()
    console.print(rendering.facts_table("Index", facts))
    if skipped and common.verbose:
        console.print()
        console.print(
            rendering.facts_table(
                "Skipped by the last ingest",
                {skip["path"]: f"{skip['reason']} ({skip['detail']})" for skip in skipped},
            )
        )
    console.print()
    console.print(
        rendering.facts_table(
            "Settings",
            {
                name: f"{_shown(setting['value'])}  ({setting['source']})"
                for name, setting in settings.items()
            },
        )
    )
    if chosen.not_obeyed:
        console.print()
        console.print(
            rendering.facts_table(
                "Not obeyed",
                {
                    places.shown(each.file.path): f"{', '.join(each.settings) or 'everything'}: "
                    f"{each.why}. {each.cure}"
                    for each in chosen.not_obeyed
                },
            )
        )


def _not_obeyed(withheld: NotObeyed) -> dict[str, Any]:
    from imgsearch import places

    return {
        "file": places.shown(withheld.file.path),
        "settings": {name: setting.value for name, setting in withheld.settings.items()},
        "why": withheld.why,
        "cure": withheld.cure,
    }


def _facts(info: IndexInfo) -> dict[str, str]:
    from imgsearch import rendering

    facts = {"photos": f"{info.photos:,}", "on disk": rendering.size(info.bytes_on_disk)}
    if info.models is not None:
        pair = info.models
        facts["image model"] = pair.image_model.name
        facts["text model"] = pair.text_model.name
        facts["dims"] = str(pair.dims) + (" (int8 model)" if pair.quantized else "")
        if info.photos:
            each = info.bytes_on_disk / info.photos
            facts["bytes per photo"] = f"{each:,.0f}"
            facts["bytes per photo and dimension"] = f"{each / pair.dims:,.2f}"
    facts["schema version"] = str(info.schema_version)
    if info.last_ingest:
        facts["last ingest"] = _last_ingest(info.last_ingest)
    return facts | info.details


def _last_ingest(report: dict[str, Any]) -> str:
    counts = ", ".join(
        f"{report[name]:,} {name}"
        for name in ("added", "updated", "unchanged", "renamed", "removed")
        if report.get(name)
    )
    skipped = report.get("skipped", [])
    return "; ".join(
        part
        for part in (
            report.get("finished", ""),
            counts,
            f"{len(skipped):,} skipped (-v names them)" if skipped else "",
        )
        if part
    )


def _libraries(info: IndexInfo, roots: Roots) -> dict[str, str]:
    from imgsearch import places, rendering

    facts = {}
    for name, summary in info.libraries.items():
        root = roots.get(name)
        where = "a folder of another machine" if root is None else places.shown(root)
        facts[f"library {name}"] = f"{rendering.count(summary.photos, 'photo')} in {where}"
    return facts


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)


def _settings(chosen: Settings) -> dict[str, dict[str, Any]]:
    return {
        name: {"value": setting.value, "source": setting.source}
        for name, setting in chosen.shown().items()
    }
