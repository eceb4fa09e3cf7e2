from __future__ import annotations

import random

from imgsearch.index.base import Fingerprint, Fingerprints
from imgsearch.ingest.fingerprints import KnownPhotos, State


def _fingerprints(count: int) -> list[Fingerprint]:
    draw = random.Random(3)
    return [
        Fingerprint(f"{draw.getrandbits(128):032x}", draw.randrange(10**9), draw.getrandbits(60))
        for _ in range(count)
    ]


def test_states_of_new_changed_and_unchanged_photos() -> None:
    stored = _fingerprints(5000)
    known = KnownPhotos.load(map(Fingerprints.of, (stored[:3000], stored[3000:])))
    a, b, c, d = stored[7], stored[4000], stored[42], stored[50]
    states = known.see(
        [a.id, b.id, c.id, "0" * 32, d.id],
        [a.size, b.size + 1, c.size, 1, d.size],
        [a.mtime_ns, b.mtime_ns, c.mtime_ns + 1, 1, d.mtime_ns],
        [0, 0, 0, 0, 1],
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
    known.see(*zip(*seen, strict=True))
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
    assert known.see(["0" * 32], [1], [1], [1]).tolist() == [State.NEW]
    assert not known.has_size(1)
    assert list(known.unseen_of(["0" * 32])) == []
