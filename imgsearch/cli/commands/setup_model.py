"""`imgsearch setup-model`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgsearch import paths
from imgsearch.cli import cluster, opening
from imgsearch.cli.options import INDEX_AND_MODELS, Common, JsonObject
from imgsearch.cli.program import command
from imgsearch.settings import values
from imgsearch.settings.options import declared, flag, option
from imgsearch.settings.table import CLUSTER
from imgsearch.settings.values import one_of, whole

if TYPE_CHECKING:
    from imgsearch.index.elasticsearch.text_model.setup import Arranged, Wish
    from imgsearch.models import ModelNames, ModelSet
    from imgsearch.settings import Settings


class Arrangement(JsonObject):
    """The options of `setup-model`. All but --json are about a model in a cluster."""

    allocations: int | None = option(
        whole,
        "--allocations N",
        "How many texts at a time.",
        default_text="1",
        heading=CLUSTER,
    )
    threads: int | None = option(
        whole, "--threads N", "Threads for one text.", default_text="1", heading=CLUSTER
    )
    priority: str | None = option(
        one_of("normal", "low"), "--priority", "Of the deployment.", heading=CLUSTER
    )
    timeout: float | None = option(
        values.above_zero,
        "--timeout SECONDS",
        "For the start.",
        default_text="600",
        heading=CLUSTER,
    )
    replace: bool = flag(
        "--replace", "Delete the cluster's model and upload it anew.", heading=CLUSTER
    )
    stop: bool = flag("--stop", "Stop the deployment; the upload stays.", heading=CLUSTER)
    delete: bool = flag("--delete", "Stop and delete the cluster's model.", heading=CLUSTER)


@command(
    "setup-model",
    Arrangement,
    (*INDEX_AND_MODELS, "model_id"),
    examples=["imgsearch setup-model"],
)
def setup_model(common: Common, given: Arrangement) -> None:
    """Fetch the models, export them for speed, verify the export.

    With an index on a cluster, the text model is also imported there, started and verified, doing
    only what is missing: then queries can be encoded in the cluster.
    """
    from imgsearch import models
    from imgsearch.library import model_cache
    from imgsearch.models.selection import ready_models

    chosen = opening.load_settings(common)
    _check(chosen, common, given)
    if not cluster.on_cluster(chosen):
        names = models.model_names(chosen.model, chosen.image_model, chosen.text_model)
        _show(ready_models(names, model_cache(), opening.talk()), None, given.json)
    elif given.stop or given.delete:
        _end(chosen, given)
    else:
        _show(*_on_cluster(chosen, given), given.json)


def _show(found: ModelSet, there: tuple[Arranged, str] | None, json: bool) -> None:
    """Print what was set up. `there`: what was done in a cluster, and the cluster's address."""
    from imgsearch.output import console

    if json:
        console.print_json({"models": _as_dicts(found), "cluster": there and as_dict_there(*there)})
        return
    facts = _facts(found) | ({} if there is None else _facts_there(*there))
    console.print_facts("Models are ready", facts)


def _check(chosen: Settings, common: Common, given: Arrangement) -> None:
    """Raises UsageError where options contradict each other."""
    from imgsearch.errors import UsageError

    asked = [
        each.flags[-1]
        for name, each in declared(Arrangement).items()
        if each.heading == CLUSTER and getattr(given, name)
    ]
    asked += ["--model-id"] * ("model_id" in common.options)
    if asked and not cluster.on_cluster(chosen):
        raise UsageError(
            f"{asked[0]} is about a model in a cluster, and the index lies on none.",
            "Name the cluster: --index https://host:9200/my-photos, or ES_URL.",
        )
    if given.replace + given.stop + given.delete > 1:
        raise UsageError("--replace, --stop and --delete exclude each other.", "Give one of them.")


def _on_cluster(chosen: Settings, given: Arrangement) -> tuple[ModelSet, tuple[Arranged, str]]:
    from imgsearch.cli.progress import bytes_bar
    from imgsearch.index.elasticsearch.text_model import setup
    from imgsearch.library import model_cache
    from imgsearch.models import encoders
    from imgsearch.models.selection import ready_models

    with cluster.connected(chosen) as there:
        setup.check_possible(there)  # before anything large is fetched or made
        names, check = cluster.names_there(chosen)
        wish = _wish(chosen, names, given)
        found = ready_models(names, model_cache(), opening.talk(), check)
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


def _wish(chosen: Settings, names: ModelNames, given: Arrangement) -> Wish:
    from imgsearch.index.elasticsearch.text_model.deployment import Asked
    from imgsearch.index.elasticsearch.text_model.setup import TIMEOUT, Wish

    return Wish(
        cluster.model_id(chosen, names),
        Asked(given.allocations, given.threads, given.priority),
        given.timeout or TIMEOUT,
        given.replace,
    )


def _end(chosen: Settings, given: Arrangement) -> None:
    from imgsearch.escaping import shown
    from imgsearch.index.elasticsearch.text_model import deployment
    from imgsearch.index.elasticsearch.text_model.state import ClusterModel
    from imgsearch.output import console

    with cluster.connected(chosen) as there:
        names, _ = cluster.names_there(chosen)
        model = ClusterModel(there, cluster.model_id(chosen, names))
        done = deployment.delete(model) if given.delete else deployment.stop(model)
    if given.json:
        answer = {"model_id": model.model_id, "place": model.place}
        console.print_json(
            {**answer, "stopped": done or given.delete, "deleted": done and given.delete}
        )
        return
    what = "deleted" if given.delete else "stopped"
    there_was = f"{what}" if done else ("not there" if given.delete else "not running")
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


def as_dict_there(arranged: Arranged, place: str) -> dict[str, Any]:
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
