from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from imgsearch.index.base import Fingerprint, Fingerprints
from imgsearch.ingest import file_states
from imgsearch.ingest.file_states import FileStates
from imgsearch.ingest.fingerprints import Found, KnownPhotos, State
from imgsearch.photos.walk import Photo


def _fingerprints(count: int) -> list[Fingerprint]:
    draw = random.Random(3)
    return [
        Fingerprint(f"{draw.getrandbits(128):032x}", draw.randrange(10**9), draw.getrandbits(60))
        for _ in range(count)
    ]


def _found(
    sizes: list[int],
    mtimes: list[int],
    marks: list[int],
    ctimes: list[int] | None = None,
    inodes: list[int] | None = None,
) -> Found:
    unknown = [0] * len(sizes)
    columns = sizes, mtimes, ctimes or unknown, inodes or unknown, marks
    return Found(*(np.array(column, np.int64) for column in columns))


def test_states_of_new_changed_and_unchanged_photos() -> None:
    stored = _fingerprints(5000)
    known = KnownPhotos.load(map(Fingerprints.of, (stored[:3000], stored[3000:])))
    a, b, c, d = stored[7], stored[4000], stored[42], stored[50]
    states = known.see(
        [a.id, b.id, c.id, "0" * 32, d.id],
        _found(
            [a.size, b.size + 1, c.size, 1, d.size],
            [a.mtime_ns, b.mtime_ns, c.mtime_ns + 1, 1, d.mtime_ns],
            [0, 0, 0, 0, 1],
        ),
    )
    assert states.tolist() == [
        State.UNCHANGED,
        State.CHANGED,
        State.CHANGED,
        State.NEW,
        State.OTHERWISE_DESCRIBED,
    ]


def test_what_was_not_seen_is_told_of_the_index_alone() -> None:
    stored = _fingerprints(100)
    known = KnownPhotos.load([Fingerprints.of(stored)])
    seen = stored[::2]
    ids, *columns = map(list, zip(*seen, strict=True))
    known.see(ids, _found(*columns))
    ids = [fingerprint.id for fingerprint in stored]
    later = "f" * 32  # written in this run: not gone
    assert list(known.unseen_of([*ids, later])) == ids[1::2]


def test_sizes_of_before_and_of_this_run() -> None:
    known = KnownPhotos.load(
        [Fingerprints.of([Fingerprint("0" * 32, 10, 1), Fingerprint("1" * 32, 30, 1)])]
    )
    assert known.has_size(10)
    assert known.has_size(30)
    assert not known.has_size(20)
    assert not known.has_size(40)
    known.add_size(20)
    assert known.has_size(20)


def test_an_empty_index_knows_nothing() -> None:
    known = KnownPhotos.load([])
    assert known.see(["0" * 32], _found([1], [1], [1])).tolist() == [State.NEW]
    assert not known.has_size(1)
    assert list(known.unseen_of(["0" * 32])) == []


def _seen(known: KnownPhotos, ctimes: list[int], inodes: list[int]) -> list[int]:
    """States of photos of one size and mtime."""
    count = len(ctimes)
    ids = [f"{number:032x}"[::-1] for number in range(1, count + 1)]
    states = known.see(ids, _found([9] * count, [1] * count, [0] * count, ctimes, inodes))
    return [int(state) for state in states]


def _known(count: int, folder: Path) -> KnownPhotos:
    ids = [f"{number:032x}"[::-1] for number in range(1, count + 1)]
    known = KnownPhotos.load([Fingerprints.of([Fingerprint(id, 9, 1) for id in ids])])
    known.use_states(FileStates(folder, "index").load())
    return known


def _keep(known: KnownPhotos, folder: Path) -> None:
    kept = FileStates(folder, "index")
    kept.save(kept.load().with_these(known.states()), file_states.NONE)


@pytest.mark.parametrize(
    ("ctimes", "inodes", "expected"),
    [
        ([5, 5, 5, 5], [1, 2, 3, 4], []),
        ([5, 6, 5, 5], [1, 2, 3, 4], [1]),
        ([5, 5, 5, 5], [2, 1, 3, 4], [0, 1]),  # two names were exchanged, and no ctime changed
        ([5, 5, 5, 5], [70, 71, 72, 4], []),  # made up anew by the file system
        ([5, 6, 5, 5], [70, 71, 72, 73], [1]),
        ([5, 5, 5, 5], [2, 1, 4, 3], [0, 1, 2, 3]),  # folders of files alike were exchanged
        ([0, 0, 0, 0], [0, 0, 0, 0], []),  # a system that tells neither
    ],
)
def test_another_ctime_or_inode_is_another_file(
    ctimes: list[int], inodes: list[int], expected: list[int], tmp_path: Path
) -> None:
    first = _known(4, tmp_path)
    assert _seen(first, [5, 5, 5, 5], [1, 2, 3, 4]) == [State.UNCHANGED] * 4  # nothing was known
    _keep(first, tmp_path)
    states = _seen(_known(4, tmp_path), ctimes, inodes)
    assert [place for place, state in enumerate(states) if state == State.CHANGED] == expected


def test_only_what_was_compared_or_written_is_kept_of_files(tmp_path: Path) -> None:
    known = _known(4, tmp_path)
    _seen(known, [5, 5, 5, 5], [1, 2, 3, 4])
    _keep(known, tmp_path)
    later = _known(4, tmp_path)
    assert _seen(later, [7, 8, 5, 5], [1, 2, 3, 4])[:2] == [State.CHANGED] * 2
    later.confirm(f"{1:032x}"[::-1], Photo("/", b"one", 9, 1, 7, 1))  # the other could not be read
    _keep(later, tmp_path)
    states = _seen(_known(4, tmp_path), [7, 8, 5, 5], [1, 2, 3, 4])
    assert states == [State.UNCHANGED, State.CHANGED, State.UNCHANGED, State.UNCHANGED]
