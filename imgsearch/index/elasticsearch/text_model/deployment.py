"""Starting a model in its cluster, waiting until it answers, stopping and deleting it."""

from __future__ import annotations

import time
from threading import Thread
from urllib.parse import quote, urlencode

from imgsearch.dataclass import dataclass
from imgsearch.errors import ImgsearchError
from imgsearch.index.elasticsearch.text_model.errors import failure, recognised
from imgsearch.index.elasticsearch.text_model.state import (
    FAILED,
    STOPPING,
    ClusterModel,
    Deployment,
)
from imgsearch.progress import Progress, silent

RETRY_SECONDS = 30.0  # seconds for requests that are harmless to repeat
_POLL_SECONDS = 1.0
_GRACE_SECONDS = 60.0  # for the server's own answer that the time is up
_WHAT = "starting the text model in the cluster"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a deployment. None: the server's default for a new one, and no change for an
    existing one."""

    allocations: int | None = None
    threads: int | None = None
    priority: str | None = None  # normal, low

    def contradicts(self, found: Deployment) -> bool:
        """Whether a running deployment would have to be stopped to get these options."""
        threads = self.threads is not None and self.threads != found.threads
        return threads or (self.priority is not None and self.priority != found.priority)


def ready(
    model: ClusterModel, asked: Asked, timeout: float, progress: Progress = silent
) -> tuple[Deployment, bool]:
    """The deployment, answering, and whether this call started it. Does only what is missing.
    `timeout`: seconds. Raises ModelError, ModelUnavailable."""
    deadline = time.monotonic() + timeout
    found = model.deployment()
    if found is not None and found.state not in (STOPPING, FAILED) and asked.contradicts(found):
        stop(model)
        found = model.deployment()
    while found is not None and found.state == STOPPING:
        _pause(model, found, deadline, progress)
        found = model.deployment()
    if found is not None and found.state == FAILED:
        _raise_failed(model, found)
    begun = found is None
    if found is None:
        _start(model, asked, timeout, progress)
    elif asked.allocations is not None and asked.allocations != found.wanted:
        _update(model, found, asked.allocations)
    return _wait(model, deadline, progress), begun


def _start(model: ClusterModel, asked: Asked, timeout: float, progress: Progress) -> None:
    """The request lasts until the model has started; meanwhile its state is shown."""
    given = {
        "number_of_allocations": asked.allocations,
        "threads_per_allocation": asked.threads,
        "priority": asked.priority,
    }
    query = {"timeout": f"{timeout:.0f}s", "wait_for": "started"}
    query |= {name: str(value) for name, value in given.items() if value is not None}
    path = f"/deployment/_start?{urlencode(query)}"
    refused: list[ImgsearchError] = []

    def post() -> None:
        try:
            model.call("POST", path, timeout=timeout + _GRACE_SECONDS)
        except ImgsearchError as error:
            refused.append(error)

    request = Thread(target=post, daemon=True)  # Ctrl-C must not wait for it
    request.start()
    while request.is_alive():
        request.join(_POLL_SECONDS)
        if request.is_alive():
            found = model.deployment()
            progress(f"{_WHAT}: {found or 'not yet there'}", 0, 0)
    # somebody else was faster, or the answer to an earlier run's request was lost: wait with them
    if refused and recognised(refused[0]) != "deployed":
        raise refused[0]


def _wait(model: ClusterModel, deadline: float, progress: Progress) -> Deployment:
    while True:
        found = model.deployment()
        if found is None:
            raise failure("not_deployed", place=model.place, model_id=model.model_id)
        if found.state == FAILED:
            _raise_failed(model, found)
        if found.started:
            return found
        _pause(model, found, deadline, progress)


def _pause(model: ClusterModel, found: Deployment, deadline: float, progress: Progress) -> None:
    if time.monotonic() >= deadline:
        raise failure("start_timeout", place=model.place, model_id=model.model_id)
    progress(f"{_WHAT}: {found}", 0, 0)
    time.sleep(_POLL_SECONDS)


def _raise_failed(model: ClusterModel, found: Deployment) -> None:
    raise failure(
        "start_failed", place=model.place, model_id=model.model_id, reason=found.reason or "–"
    )


def _update(model: ClusterModel, found: Deployment, allocations: int) -> None:
    name = quote(found.name, safe="")
    path = f"/_ml/trained_models/{name}/deployment/_update"
    model.ask("POST", path, {"number_of_allocations": allocations})


def stop(model: ClusterModel) -> bool:
    """Whether there was a deployment to stop. Model and upload stay."""
    found = model.deployment()
    if found is None:
        return False
    path = f"/_ml/trained_models/{quote(found.name, safe='')}/deployment/_stop"
    model.ask("POST", path, retry_for=RETRY_SECONDS)
    return True


def delete(model: ClusterModel) -> bool:
    """Stops and deletes; whether there was anything."""
    stopped = stop(model)
    if model.look() is None:
        return stopped
    model.call("DELETE", "", retry_for=RETRY_SECONDS)
    return True
