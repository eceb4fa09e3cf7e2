"""What goes wrong on purpose between client and node."""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.elasticsearch.front import Answer, Request


class Cut(Exception):
    """The connection ends after these bytes."""

    def __init__(self, bytes: bytes = b"") -> None:
        super().__init__()
        self.bytes = bytes


@dataclass
class _Every:
    """True for each `every`-th request that is counted, at most `times` of them."""

    every: int
    times: int | None = None
    counted: int = 0

    def due(self) -> bool:
        self.counted += 1
        if self.counted % self.every or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """None to begin with. All but `rejected_items` concern requests whose path ends in `_bulk`,
    unless told otherwise. `done` counts what was inflicted."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self.release = threading.Event()
        self._lock = threading.Lock()
        self._random = random.Random(0)
        self.stop()

    def stop(self) -> None:
        """From now on all goes well."""
        self._statuses: list[tuple[int, str, _Every]] = []
        self._cuts: list[tuple[str, _Every]] = []
        self._silences: list[tuple[str, _Every]] = []
        self._slow: dict[str, float] = {}
        self._rejected = 0.0

    # -- what to do

    def status(
        self, status: int, every: int = 1, times: int | None = None, path: str = "_bulk"
    ) -> None:
        """Instead of the node's answer; the node does not hear of the request."""
        self._statuses.append((status, path, _Every(every, times)))

    def cut(self, every: int = 1, times: int | None = None, path: str = "_bulk") -> None:
        """The node does the work; the connection ends in mid-answer."""
        self._cuts.append((path, _Every(every, times)))

    def silence(self, every: int = 1, times: int | None = None, path: str = "_bulk") -> None:
        """The node does the work; the answer is never sent."""
        self._silences.append((path, _Every(every, times)))

    def slow(self, seconds: float, path: str = "_bulk") -> None:
        self._slow[path] = seconds

    def rejected_items(self, share: float) -> None:
        """Of the items of bulk requests, answered 429 as a full write queue would."""
        self._rejected = share

    # -- doing it

    def _count(self, what: str, by: int = 1) -> None:
        self.done[what] = self.done.get(what, 0) + by

    def before(self, request: Request) -> tuple[int, str, str] | None:
        for path, seconds in self._slow.items():
            if request.path.endswith(path):
                time.sleep(seconds)
        with self._lock:
            for status, path, every in self._statuses:
                if request.path.endswith(path) and every.due():
                    self._count(str(status))
                    type = {429: "es_rejected_execution_exception"}.get(status, "test_exception")
                    return status, type, f"inflicted by the test: {status}"
        return None

    def after(self, request: Request, answer: Answer) -> Answer:
        with self._lock:
            cut = any(request.path.endswith(path) and one.due() for path, one in self._cuts)
            silent = any(request.path.endswith(path) and one.due() for path, one in self._silences)
            self._count("cut", cut)
            self._count("silence", silent)
        if cut:
            head = f"HTTP/1.1 {answer.status} OK\r\ncontent-type: application/json\r\n"
            head += (
                f"x-elastic-product: Elasticsearch\r\ncontent-length: {len(answer.body)}\r\n\r\n"
            )
            raise Cut(head.encode() + answer.body[: len(answer.body) // 2])
        if silent:
            self.release.wait(600)
            raise Cut
        return answer

    def without_rejected_items(self, request: Request) -> tuple[bytes, list[bool] | None]:
        """The body without the items that are to be rejected, and which were kept."""
        if not self._rejected or not request.path.endswith("_bulk"):
            return request.body, None
        lines = request.body.splitlines(keepends=True)
        kept: list[bool] = []
        body: list[bytes] = []
        at = 0
        while at < len(lines):
            size = 1 if b'"delete"' in lines[at][:10] else 2
            with self._lock:
                keep = self._random.random() >= self._rejected
            kept.append(keep)
            if keep:
                body += lines[at : at + size]
            at += size
        return b"".join(body), kept

    def with_rejected_items(self, answer: Answer, kept: list[bool] | None) -> Answer:
        if kept is None or all(kept) or answer.status != 200:
            return answer
        value = json.loads(answer.body)
        answered = iter(value.get("items", []))
        value["items"] = [next(answered) if keep else _rejection() for keep in kept]
        value["errors"] = True
        with self._lock:
            self._count("rejected items", kept.count(False))
        from dataclasses import replace

        return replace(answer, body=json.dumps(value).encode())


def _rejection() -> dict[str, Any]:
    reason = "rejected execution of primary operation: queue capacity reached"
    error = {"type": "es_rejected_execution_exception", "reason": reason}
    return {"index": {"status": 429, "error": error}}
