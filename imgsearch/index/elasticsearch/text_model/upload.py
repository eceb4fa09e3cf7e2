"""Sending a traced model: its configuration, its parts, its vocabulary.

The server stores each part once and for good, and does not say which it has. Parts are sent in
order, and what was answered is noted beside the trace (`sent.json`). Where that note is missing,
the first missing part is found by halving: a part that is there is refused."""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imgsearch import paths
from imgsearch.errors import ImgsearchError
from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.client import symptom_of
from imgsearch.index.elasticsearch.text_model.errors import failure
from imgsearch.index.elasticsearch.text_model.state import OURS, ClusterModel, Model
from imgsearch.index.elasticsearch.text_model.trace import Trace
from imgsearch.models import Tower
from imgsearch.progress import Progress

PART_BYTES = 1 << 20
RETRY_SECONDS = 120.0  # seconds to try one part again for, while the cluster has a bad moment
NOTE = "sent.json"


def announce(model: ClusterModel, trace: Trace, tower: Tower) -> Model:
    """Puts the configuration: from now on the model exists, without its weights."""
    ours = {
        "upload": uuid.uuid4().hex,
        "text_model": tower.identity.name,
        "digest": tower.identity.digest,
        "sha256": trace.sha256,
        "size": trace.size,
        "part_bytes": PART_BYTES,
    }
    metadata = {**trace.configuration["metadata"], OURS: ours}
    model.call("PUT", "", {**trace.configuration, "metadata": metadata}, retry_for=RETRY_SECONDS)
    made = model.look()
    if made is None:
        raise failure("absent", place=model.place, model_id=model.model_id)
    return made


class Upload:
    """A finished upload. `sent`: bytes sent in this run, without those that were refused."""

    def __init__(self, model: ClusterModel, announced: Model, trace: Trace) -> None:
        self._model, self._trace = model, trace
        self._id = answers.text(model.place, announced.ours, "upload")
        self._part_bytes = answers.integer(model.place, announced.ours, "part_bytes")
        if self._part_bytes < 1:
            answers.odd(model.place, "the model's parts are empty")
        self._parts = math.ceil(trace.size / self._part_bytes)
        self._note = trace.folder / NOTE
        self.sent = 0
        self.parts_sent = 0

    def run(self, progress: Progress) -> None:
        """Everything that is missing. Raises ModelError, IndexUnavailable."""
        there: set[int] = set()
        first = self._noted()
        if first is None:
            first = self._first_missing(there)
        self._send(range(first, self._parts), there, progress)
        if not self._complete():
            # an earlier run was killed while it halved: then parts before the first lack too
            self._send(range(self._parts), set(), progress)
        if not self._complete():
            raise failure("truncated", place=self._model.place, model_id=self._model.model_id)

    def put_vocabulary(self) -> None:
        _tolerant(self._model, "PUT", "/vocabulary", self._trace.vocabulary())

    def _complete(self) -> bool:
        found = self._model.look()
        return found is not None and found.complete

    def _send(self, parts: Iterable[int], there: set[int], progress: Progress) -> None:
        what = "uploading the text model"
        for part in parts:
            progress(what, part * self._part_bytes, self._trace.size)
            if part not in there:
                self._put(part)
            self._write_note(part + 1)
        progress(what, self._trace.size, self._trace.size)

    def _first_missing(self, there: set[int]) -> int:
        """Every probe of a part that is missing stores it: those are added to `there`."""
        low, high = 0, self._parts
        while low < high:
            middle = (low + high) // 2
            if self._put(middle):
                there.add(middle)
                high = middle
            else:
                low = middle + 1
        return low

    def _put(self, part: int) -> bool:
        """Whether it was missing."""
        with self._trace.file.open("rb") as file:
            file.seek(part * self._part_bytes)
            content = file.read(self._part_bytes)
        body = {
            "definition": base64.b64encode(content).decode(),
            "total_definition_length": self._trace.size,
            "total_parts": self._parts,
        }
        stored = _tolerant(self._model, "PUT", f"/definition/{part}", body)
        if stored:
            self.sent += len(content)
            self.parts_sent += 1
        return stored

    def _noted(self) -> int | None:
        try:
            note = json.loads(self._note.read_text("utf-8"))
            return int(note["parts"]) if note["upload"] == self._id else None
        except (OSError, ValueError, KeyError):
            return None

    def _write_note(self, parts: int) -> None:
        write_note(self._note, {"upload": self._id, "parts": parts})


def begun(trace: Trace, announced: Model) -> None:
    """Notes that nothing of this upload has been sent: then nothing need be probed."""
    write_note(trace.folder / NOTE, {"upload": announced.ours["upload"], "parts": 0})


def write_note(path: Path, note: dict[str, Any]) -> None:
    paths.write_whole(path, json.dumps(note))


def _tolerant(model: ClusterModel, method: str, path: str, body: Any) -> bool:
    """False where the server has it already: from an earlier run, or from a request of this one
    whose answer was lost."""
    try:
        model.call(method, path, body, retry_for=RETRY_SECONDS)
    except ImgsearchError as error:
        told = symptom_of(error)
        if told is None or "already exists" not in told.reason:
            raise
        return False
    return True
