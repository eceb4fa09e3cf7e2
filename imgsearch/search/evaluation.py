"""How well an index answers: against an exact search of all its vectors, and against a list of
questions whose photos are known."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from math import log2
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from imgsearch import regular_files
from imgsearch.dataclass import dataclass
from imgsearch.errors import UsageError
from imgsearch.escaping import shown
from imgsearch.progress import Progress, silent

if TYPE_CHECKING:
    from imgsearch.index.base import Index, Row
    from imgsearch.models.base import Vectors
    from imgsearch.results import Results

COLUMNS = ("question", "path")
DEPTH = 100  # results of a question that are looked at
_AT_ONCE = 2000  # photos whose scores are computed at a time
_SAME = 1e-5  # cosines that differ by less are equal: a server rounds them
_MOST_BYTES = 64 << 20  # of a list of questions
_NAMED = 3  # lines that an error names


@dataclass(frozen=True, slots=True)
class Exactness:
    """`recall`: the share of the k nearest photos of a question that the index finds, over
    `questions` that are vectors of its own; `milliseconds`: of a search, the median."""

    photos: int
    questions: int
    k: int
    recall: float
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Means over questions. `recall`: the share of a question's photos among its first 1, 5 and 10
    results, of at most so many; `mrr`: 1 / the rank of the first, 0 beyond `DEPTH`; `ndcg`: of the
    first ten. `fitting`: how many results fit, the median; `within_line`: the share of the photos
    that were looked for that fit; both None where no end can be told."""

    questions: int
    recall: Mapping[int, float]
    mrr: float
    ndcg: float
    fitting: float | None
    within_line: float | None


# -- against an exact search


def exactness(index: Index, questions: int, k: int, progress: Progress = silent) -> Exactness:
    """Reads every vector of the index once. To be called where it holds a photo."""
    asked = index.sample(questions)
    best = _exact(index, asked, k, progress)
    right = wanted = 0
    seconds = []
    for question, scores in zip(asked, best, strict=True):
        began = time.perf_counter()
        found = index.search(question, k)
        seconds.append(time.perf_counter() - began)
        least = scores[-1]
        right += sum(hit.score >= least - _SAME for hit in found)
        wanted += len(scores)
    milliseconds = 1000 * median(seconds) if seconds else 0.0
    recall = right / wanted if wanted else 1.0
    return Exactness(index.count(), len(asked), k, recall, milliseconds)


def _exact(index: Index, asked: Vectors, k: int, progress: Progress) -> list[list[float]]:
    """The k highest cosines of each question, descending."""
    import numpy as np

    best = np.zeros((len(asked), 0), np.float32)
    done, total = 0, index.count()
    for rows in _some(index.rows(), _AT_ONCE):
        vectors = np.array([row.vector for row in rows], np.float32)
        best = np.concatenate([best, asked @ vectors.T], axis=1)
        if best.shape[1] > k:
            best = -np.partition(-best, k - 1, axis=1)[:, :k]
        done += len(rows)
        progress("photos compared", done, max(done, total))
    descending: list[list[float]] = (-np.sort(-best, axis=1)).tolist()
    return descending


def _some(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while some := list(islice(rows, size)):
        yield some


# -- against known photos


def read_questions(
    file: str, find: Callable[[str], str | None]
) -> tuple[dict[str, list[str]], list[str]]:
    """The ids of the photos of each question, from a CSV file with the columns COLUMNS; a question
    may stand in several lines. And what is wrong with those lines that cannot be measured. `find`:
    the id of a photo with that path, None where there is none. Raises UsageError where nothing is
    left."""
    found: dict[str, list[str]] = {}
    bad = []
    for line, question, path in _lines(file):
        id = find(path) if question and path else None
        if id is not None:
            found.setdefault(question, []).append(id)
        elif question and path:
            bad.append(f"line {line}: {shown(path)} is not in the index")
        else:
            bad.append(f"line {line}: the {COLUMNS[1] if question else COLUMNS[0]} is missing")
    if bad and not found:
        more = f"; and {len(bad) - _NAMED:,} more" if len(bad) > _NAMED else ""
        raise UsageError(
            f"No line of {shown(file)} can be measured: {'; '.join(bad[:_NAMED])}{more}.",
            BAD_LINES_CURE,
        )
    if not found:
        raise UsageError(f"{shown(file)} holds no question.", _CURE)
    return found, bad


BAD_LINES_CURE = (
    "Write a question, and the path of its photo as results show it, on disk or in its library."
)
_CURE = f"Write a header line with {' and '.join(COLUMNS)}, then one question and one path a line."


def _lines(file: str) -> Iterator[tuple[int, str, str]]:
    """Line number, question and path; one of these may be empty."""
    try:
        data = regular_files.read(Path(file), follow_links=True, limit=_MOST_BYTES)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"{shown(file)} cannot be read: {error.strerror or error}.", "Name a CSV file."
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{shown(file)} is not UTF-8.", "Save it as CSV in UTF-8.") from None
    lines = text.splitlines(keepends=True)
    # Excel writes semicolons where a comma is the decimal sign
    between = max(",;\t", key=lines[0].count) if lines else ","
    reader = csv.reader(lines, delimiter=between)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        places = [header.index(name) if name in header else -1 for name in COLUMNS]
        if -1 in places:
            lacking = " and ".join(n for n, at in zip(COLUMNS, places, strict=True) if at < 0)
            raise UsageError(f"{shown(file)} has no column {lacking}.", _CURE)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            values = [cells[at].strip() if at < len(cells) else "" for at in places]
            yield reader.line_num, values[0], values[1]
    except csv.Error as error:
        raise UsageError(f"{shown(file)}, line {reader.line_num}: {error}.", _CURE) from None


def judged(
    questions: Mapping[str, Sequence[str]],
    search: Callable[[str], Results],
    progress: Progress = silent,
) -> Judged:
    """`search`: the first `DEPTH` results of a question, copies not folded."""
    recall: dict[int, list[float]] = {1: [], 5: [], 10: []}
    reciprocal, gains, fits, within = [], [], [], []
    for done, (question, ids) in enumerate(questions.items(), start=1):
        results = search(question)
        ranks = sorted(hit.rank for hit in results if hit.record.id in set(ids))
        for k, shares in recall.items():
            shares.append(sum(rank <= k for rank in ranks) / min(k, len(set(ids))))
        reciprocal.append(1 / ranks[0] if ranks else 0.0)
        gains.append(_ndcg(ranks, len(set(ids))))
        if results.fitting is not None:
            fits.append(results.fitting)
            fitting = {hit.record.id for hit in results if hit.fits}
            within.append(len(fitting & set(ids)) / len(set(ids)))
        progress("questions asked", done, len(questions))
    return Judged(
        questions=len(questions),
        recall={k: _mean(shares) for k, shares in recall.items()},
        mrr=_mean(reciprocal),
        ndcg=_mean(gains),
        fitting=median(fits) if fits else None,
        within_line=_mean(within) if within else None,
    )


def _ndcg(ranks: Sequence[int], relevant: int) -> float:
    """Of the first ten; photos are right or not."""
    gain = sum(1 / log2(rank + 1) for rank in ranks if rank <= 10)
    return gain / sum(1 / log2(rank + 1) for rank in range(1, min(relevant, 10) + 1))


def _mean(values: Collection[float]) -> float:
    return sum(values) / len(values)
