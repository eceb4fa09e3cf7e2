"""`imgsearch setup-model`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgsearch import paths
from imgsearch.cli import cluster, parts
from imgsearch.cli.options import CLUSTER, Common, command

if TYPE_CHECKING:
    from imgsearch.index.elasticsearch.text_model.setup import Arranged, Wish
    from imgsearch.models import ModelNames, ModelSet
    from imgsearch.settings import Settings

PRIORITIES = ("normal", "low")


def register(app: typer.Typer) -> None:
    command(app, "setup-model")(setup_model)


def _option(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=CLUSTER, **more)


def setup_model(
    common: Common,
    model_id: Annotated[
        str | None, _option("--model-id", metavar="ID", help="The text model's id in the cluster.")
    ] = None,
    allocations: Annotated[
        int | None, _option("--allocations", min=1, help="How many texts at a time (default: 1).")
    ] = None,
    threads: Annotated[
        int | None, _option("--threads", min=1, help="Threads for one text (default: 1).")
    ] = None,
    priority: Annotated[
        str | None, _option("--priority", metavar="normal|low", help="Of the deployment.")
    ] = None,
    timeout: Annotated[
        float | None,
        _option("--timeout", metavar="SECONDS", min=1, help="For the start (default: 600)."),
    ] = None,
    replace: Annotated[
        bool, _option("--replace", help="Delete the cluster's model and upload it anew.")
    ] = False,
    stop: Annotated[bool, _option("--stop", help="Stop the deployment; the upload stays.")] = False,
    delete: Annotated[
        bool, _option("--delete", help="Stop and delete the cluster's model.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Fetch the models, export them for fast use, and verify the export.

    With an index on a cluster, the text model is also imported there, started and verified, doing
    only what is missing: then queries can be encoded in the cluster.

    Example: imgsearch setup-model
    """
    from imgsearch import models
    from imgsearch.library import model_cache
    from imgsearch.models.selection import ready_models

    chosen = parts.load_settings(common, model_id=model_id)
    given = {
        "--allocations": allocations,
        "--threads": threads,
        "--priority": priority,
        "--timeout": timeout,
        "--replace": replace,
        "--stop": stop,
        "--delete": delete,
        "--model-id": model_id,
    }
    _check(chosen, given)
    if not cluster.on_cluster(chosen):
        names = models.model_names(chosen.model, chosen.image_model, chosen.text_model)
        _show(ready_models(names, model_cache(), parts.talk()), None, json)
    elif stop or delete:
        _end(chosen, delete, json)
    else:
        _show(*_on_cluster(chosen, given), json)


def _show(found: ModelSet, there: tuple[Arranged, str] | None, json: bool) -> None:
    """`there`: what was done in a cluster, and its place."""
    from imgsearch.output import console

    if json:
        console.print_json({"models": _as_dicts(found), "cluster": there and _dict_there(*there)})
        return
    facts = _facts(found) | ({} if there is None else _facts_there(*there))
    console.console().print(console.facts_table("Models are ready", facts))


def _check(chosen: Settings, given: dict[str, Any]) -> None:
    from imgsearch.errors import UsageError

    asked = [name for name, value in given.items() if value]
    if asked and not cluster.on_cluster(chosen):
        raise UsageError(
            f"{asked[0]} is about a model in a cluster, and the index lies on none.",
            "Name the cluster: --index https://host:9200/my-photos, or ES_URL.",
        )
    if given["--priority"] not in (None, *PRIORITIES):
        raise UsageError(f"--priority: not one of {', '.join(PRIORITIES)}.", "Write --priority low")
    if sum(bool(given[name]) for name in ("--replace", "--stop", "--delete")) > 1:
        raise UsageError("--replace, --stop and --delete exclude each other.", "Give one of them.")


def _on_cluster(chosen: Settings, given: dict[str, Any]) -> tuple[ModelSet, tuple[Arranged, str]]:
    from imgsearch.cli.progress import bytes_bar
    from imgsearch.index.elasticsearch.text_model import setup
    from imgsearch.library import model_cache
    from imgsearch.models import encoders
    from imgsearch.models.selection import ready_models

    with cluster.connected(chosen) as there:
        setup.check_possible(there)  # before anything large is fetched or made
        names, check = cluster.names_there(chosen)
        wish = _wish(chosen, names, given)
        found = ready_models(names, model_cache(), parts.talk(), check)
        with bytes_bar() as progress:
            arranged = setup.arrange(
                there,
                found.text,
                lambda: encoders.text_encoder(found.text),
                paths.cache_dir(),
                wish,
                progress,
            )
        return found, (arranged, there.place)


def _wish(chosen: Settings, names: ModelNames, given: dict[str, Any]) -> Wish:
    from imgsearch.index.elasticsearch.text_model.deployment import Asked
    from imgsearch.index.elasticsearch.text_model.setup import TIMEOUT, Wish

    return Wish(
        cluster.model_id(chosen, names),
        Asked(given["--allocations"], given["--threads"], given["--priority"]),
        given["--timeout"] or TIMEOUT,
        given["--replace"],
    )


def _end(chosen: Settings, delete: bool, json: bool) -> None:
    from imgsearch.escaping import shown
    from imgsearch.index.elasticsearch.text_model import deployment
    from imgsearch.index.elasticsearch.text_model.state import ClusterModel
    from imgsearch.output import console

    with cluster.connected(chosen) as there:
        names, _ = cluster.names_there(chosen)
        model = ClusterModel(there, cluster.model_id(chosen, names))
        done = deployment.delete(model) if delete else deployment.stop(model)
    if json:
        answer = {"model_id": model.model_id, "place": model.place}
        console.print_json({**answer, "stopped": done or delete, "deleted": done and delete})
        return
    what = "deleted" if delete else "stopped"
    there_was = f"{what}" if done else ("not there" if delete else "not running")
    console.console().print(shown(f"{model.model_id} at {model.place}: {there_was}"))


def _as_dicts(found: ModelSet) -> list[dict[str, Any]]:
    return [
        {
            "kind": tower.kind,
            "name": tower.identity.name,
            "dims": tower.dims,
            "served_by": tower.served_by,
            "verified_cosine": tower.verified if tower.served_by == "onnx" else None,
            "folder": str(tower.folder),
            "bytes": tower.size_bytes,
        }
        for tower in (found.image, found.text)
    ]


def _dict_there(arranged: Arranged, place: str) -> dict[str, Any]:
    return {
        "model_id": arranged.model_id,
        "place": place,
        "deployment": str(arranged.deployment),
        "verified_cosine": arranged.cosine,
        "done": list(arranged.done),
        "bytes_sent": arranged.sent,
        "seconds": {stage: round(took, 3) for stage, took in arranged.seconds.items()},
    }


def _facts(found: ModelSet) -> dict[str, str]:
    from imgsearch.output import console

    facts = {}
    for tower in (found.image, found.text):
        verified = (
            f"verified: cosine ≥ {tower.verified:.6f}"
            if tower.served_by == "onnx"
            else ("served by sentence-transformers")
        )
        facts[f"{tower.kind} model"] = f"{tower.identity.name} ({tower.dims} dims, {verified})"
        facts[f"{tower.kind} folder"] = f"{tower.folder} ({console.size(tower.size_bytes)})"
    return facts


def _facts_there(arranged: Arranged, place: str) -> dict[str, str]:
    from imgsearch.output import console

    facts = {
        "in the cluster": f"{arranged.model_id} at {place} ({arranged.deployment})",
        "verified there": f"cosine ≥ {arranged.cosine:.6f}, sentences in four scripts",
        "done there": ", ".join(arranged.done) or "nothing was missing",
    }
    if arranged.sent:
        facts["sent there"] = console.size(arranged.sent)
    stages = {stage: seconds for stage, seconds in arranged.seconds.items() if seconds >= 0.05}
    if stages:
        facts["seconds"] = ", ".join(f"{stage} {took:.1f}" for stage, took in stages.items())
    return facts
