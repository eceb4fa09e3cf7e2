"""Writing to Elasticsearch: bulk requests of bounded size, two in flight, what may pass tried again
until a time limit. Every operation names its `_id`, so one that is sent twice changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

from imgsearch.errors import ImgsearchError
from imgsearch.index.base import Failure
from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.client import BULK_SECONDS, Cluster, symptom_of
from imgsearch.index.elasticsearch.client_exceptions import Symptom, answer_symptom, item_passing
from imgsearch.index.elasticsearch.errors import diagnosis
from imgsearch.index.elasticsearch.retry import Backoff, log

IN_FLIGHT = 2
OPERATIONS_PER_REQUEST = 250
BYTES_PER_REQUEST = 4 << 20  # far below the server's limit of 100 MB, and most proxies' of 10
LARGE_DOCUMENT = 1 << 18  # bytes: of a photo with many parts; most have less than a tenth
ANSWER = "errors,items.*.status,items.*.error.type,items.*.error.reason"

Items = list[tuple[str, dict[str, Any]]]  # as `answers.bulk_items` gives them


class Operation(NamedTuple):
    """One operation of a bulk request, as one or two lines of JSON."""

    id: str
    lines: bytes


class Outcome(NamedTuple):
    failures: list[Failure]
    deleted: int  # documents that were there and are no more


class BulkWriter:
    """`target`: an alias that names one index and is required to exist, so that a deleted index is
    not silently made anew; `is_alias` False: an index, from which documents are deleted and nothing
    else. `retry_for`: seconds. `replaced`: whether another machine is putting another index in this
    one's place, which blocks writing for a moment."""

    def __init__(
        self,
        cluster: Cluster,
        target: str,
        place: str,
        retry_for: float,
        replaced: Callable[[], bool] = lambda: False,
        is_alias: bool = True,
    ) -> None:
        self._cluster, self._place, self._retry_for = cluster, place, retry_for
        self._replaced = replaced
        self._path, self._is_alias = f"/{target}/_bulk", is_alias
        self._pool: ThreadPoolExecutor | None = None

    def write(self, operations: Iterable[Operation]) -> Outcome:
        """All of them, two requests at a time, in bounded memory; durable when it returns. Raises
        IndexUnavailable when the time is up: what was accepted until then stays."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="imgsearch-bulk")
        total = Outcome([], 0)
        running: set[Future[Outcome]] = set()
        try:
            for chunk in _chunks(operations):
                running.add(self._pool.submit(self.send, chunk))
                if len(running) > IN_FLIGHT:  # one more than threads, so that none waits for us
                    # whichever is first: now and then the server takes ten times as long for one
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    total = _joined(total, *(future.result() for future in done))
            total = _joined(total, *(future.result() for future in running))
        finally:
            for future in running:
                future.cancel()
            wait(running)  # when an error leaves, no request of ours is still under way
        return total

    def send(self, chunk: Sequence[Operation]) -> Outcome:
        """Send one request, and again the items that failed for a passing reason."""
        waiting = Backoff(self._retry_for)
        failures: list[Failure] = []
        deleted = 0
        pending = chunk
        while pending:
            try:
                items = self._post(pending)
            except ImgsearchError as error:
                told = symptom_of(error)
                if told is None or told.status != 413:
                    raise
                if len(pending) > 1:
                    return _joined(Outcome(failures, deleted), self._halves(pending))
                [large] = pending
                if len(large.lines) < LARGE_DOCUMENT:  # the next would fare the same
                    raise
                reason = f"its {len(large.lines) / 1e6:.1f} MB are more than the server takes"
                return _joined(Outcome(failures, deleted), Outcome([Failure(large.id, reason)], 0))
            blocks_pass = first_symptom(items, blocked) is not None and self._replaced()
            again, refused, gone = sorted_out(pending, items, self._place, blocks_pass=blocks_pass)
            failures += refused
            deleted += gone
            if not again:
                break
            self._pause(waiting, again, items)
            if len(again) < len(pending):
                waiting.renew()
            pending = again
        return Outcome(failures, deleted)

    def _post(self, operations: Sequence[Operation]) -> Items:
        answer = self._cluster.call(
            "POST",
            self._path,
            b"".join(operation.lines for operation in operations),
            place=self._place,
            retry_for=self._retry_for,
            timeout=BULK_SECONDS,
            lines=True,
            require_alias=self._is_alias,
            filter_path=ANSWER,
        )
        return answers.bulk_items(self._place, answer, len(operations))

    def _halves(self, operations: Sequence[Operation]) -> Outcome:
        middle = len(operations) // 2
        log.info("%s: %d at once are too large; sending halves", self._path, len(operations))
        return _joined(self.send(operations[:middle]), self.send(operations[middle:]))

    def _pause(self, waiting: Backoff, again: Sequence[Operation], items: Items) -> None:
        told = first_symptom(
            items, lambda status, type: item_passing(status, type) or blocked(status, type)
        )
        assert told is not None
        if waiting.spent:
            error = diagnosis(told, self._place)
            raise type(error)(
                f"{error.message} Gave up after {self._retry_for:.0f} seconds.",
                f"What was written stays; run the same command again for the rest. {error.cure}",
                error.action,
            )
        waiting.pause(f"{len(again)} documents", f"{told.status} {told.type}")

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _joined(*outcomes: Outcome) -> Outcome:
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    return Outcome(failures, sum(outcome.deleted for outcome in outcomes))


def sorted_out(
    operations: Sequence[Operation],
    items: Items,
    place: str,
    *,
    blocks_pass: bool = False,
) -> tuple[list[Operation], list[Failure], int]:
    """Operations to send again, refusals for good, documents deleted. Raises for a block, unless
    `blocks_pass`: then what a write block refused is to be sent again."""
    again: list[Operation] = []
    failures: list[Failure] = []
    deleted = 0
    for operation, (kind, result) in zip(operations, items, strict=True):
        status, error = result["status"], result["error"]
        type = error.get("type", "")
        if status < 300:
            deleted += kind == "delete"
        elif status == 404 and kind == "delete" and not error:
            pass  # it was not there
        elif blocks_pass and blocked(status, type):
            again.append(operation)
        elif type in _OF_THE_WHOLE_INDEX:
            raise diagnosis(answer_symptom(status, result), place)
        elif item_passing(status, type):
            again.append(operation)
        else:
            failures.append(Failure(operation.id, _reason(type, error)))
    return again, failures, deleted


# not one photo's fault: the next would fare the same
_OF_THE_WHOLE_INDEX = {
    "cluster_block_exception",
    "index_not_found_exception",
    "index_closed_exception",
    "security_exception",
}


def blocked(status: int, type: str) -> bool:
    """Whether somebody has blocked writes to the index; a full disk (429) does not count."""
    return status == 403 and type == "cluster_block_exception"


def first_symptom(items: Items, wanted: Callable[[int, str], bool]) -> Symptom | None:
    """The symptom of the first item whose status and error type fulfil `wanted`; None where no item
    does."""
    for _, result in items:
        if wanted(result["status"], result["error"].get("type", "")):
            return answer_symptom(result["status"], result)
    return None


def _reason(type: str, error: dict[str, Any]) -> str:
    if type == "document_missing_exception":
        return "it has no vector, and none is stored"
    return str(error.get("reason") or type)[:500]


def _chunks(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Split operations into requests of bounded length and size."""
    chunk: list[Operation] = []
    size = 0
    for operation in operations:
        if chunk and (
            len(chunk) >= OPERATIONS_PER_REQUEST or size + len(operation.lines) > BYTES_PER_REQUEST
        ):
            yield chunk
            chunk, size = [], 0
        chunk.append(operation)
        size += len(operation.lines)
    if chunk:
        yield chunk
