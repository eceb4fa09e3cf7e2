"""Whether an index's documents are what imgsearch writes: for `imgsearch doctor`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from imgsearch.doctor.findings import Finding, ok, warning
from imgsearch.errors import Action, Advice
from imgsearch.escaping import shell_quoted
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.reader import Reader

LOOKED_AT = 20_000  # documents, unless all are asked for: about a second
NAMED = 20  # documents in a finding


def documents(cluster: Cluster, found: Found | None, place: str, deep: bool) -> Iterator[Finding]:
    """Findings about the documents of an index. `deep`: all of them are read, else the first
    LOOKED_AT."""
    if found is None or not found.vector:
        return
    reader = Reader(cluster, found, place, found.index, 0.0)
    looked_at = odd = 0
    named: list[str] = []
    for id, faults in islice(reader.faults(), None if deep else LOOKED_AT):
        looked_at += 1
        if faults:
            odd += 1
            if len(named) < NAMED:
                named.append(f"{_shown(id)} ({', '.join(faults)})")
    without, ids = reader.without_vector(NAMED)
    if without:
        cure = "No search finds them. Ingest their folders again, or take them out"
        named_here = _named(map(_shown, ids), without)
        detail = f"{without:,} hold no vector: {named_here}"
        yield warning("documents", detail, cure, Action("remove", {"what": "ID"}))
    if odd:
        yield warning(
            "documents",
            f"{odd:,} of {looked_at:,} are not as imgsearch writes them; their wrong values are"
            f" left out: {_named(named, odd)}",
            "Whoever may write to the cluster can put such documents there: see who has that"
            " privilege. To take one out of the index",
            Action("remove", {"what": "ID"}),
        )
    elif not without:
        detail = f"{looked_at:,} were looked at, all of them as they should be"
        partly = looked_at == LOOKED_AT and not deep
        yield ok("documents", Advice(detail, Action("look at all")) if partly else detail)


def _shown(id: str) -> str:
    """An id as a shell takes it."""
    return shell_quoted(id.encode("utf-8", "surrogatepass"))


def _named(some: Iterable[str], count: int) -> str:
    listed = list(some)
    more = [f"and {count - len(listed):,} more"] if count > len(listed) else []
    return "; ".join([*listed, *more])
