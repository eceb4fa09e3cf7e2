"""What the walk hands on at a time, and how it is compared with what the index holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imgsearch.index.base import PartKind, parts_mark
from imgsearch.ingest.fingerprints import Found, KnownPhotos, metadata_mark
from imgsearch.ingest.parts import kinds_of
from imgsearch.ingest.sources import Job
from imgsearch.photos import film_formats, formats, sidecars
from imgsearch.photos.sidecars import Sidecar
from imgsearch.photos.walk import Listing, Photo


class Chunk(NamedTuple):
    """Photos of one library, with their ids. `joined`: ids of files that are part of another."""

    job: Job
    ids: list[str]
    listings: list[Listing]
    sidecars: dict[str, Sidecar]  # by the photo's id
    joined: list[str]
    raws: dict[str, list[bytes]]  # relative paths of those that are RAWs, by the photo's id
    named: list[bool]  # whether each has an ending as `named_like` wants it

    def kinds(self, asked: Collection[PartKind] | None) -> list[tuple[PartKind, ...]]:
        """The kinds of parts that each photo is looked through for. `asked`: as for `kinds_of`;
        None: no parts at all."""
        if asked is None:
            return [()] * len(self.ids)
        return [kinds_of(name, asked) for listing in self.listings for name in listing.names]

    def states(
        self, known: KnownPhotos, kinds: Sequence[tuple[PartKind, ...]]
    ) -> npt.NDArray[np.int8]:
        """The `State` of each photo. `kinds`: those of parts that each is looked through for."""
        plain, sidecars = metadata_mark(None), self.sidecars
        marks = [metadata_mark(sidecars[id]) if id in sidecars else plain for id in self.ids]
        listings = self.listings
        columns = (
            chain.from_iterable(listing.sizes for listing in listings),
            chain.from_iterable(listing.mtimes for listing in listings),
            chain.from_iterable(listing.ctimes for listing in listings),
            chain.from_iterable(listing.inodes for listing in listings),
            marks,
        )
        found = Found(*(np.array(list(each), np.int64) for each in columns))
        by_kinds = {each: parts_mark(each) for each in set(kinds)}
        parts = np.array([by_kinds[each] for each in kinds], np.int64)
        return known.see(self.ids, found, parts)

    def photos(self) -> Iterator[Photo]:
        return (listing.photo(n) for listing in self.listings for n in range(len(listing.names)))


def named_like(*, films: bool) -> Callable[[bytes], bool]:
    """Whether a file's name ends like a picture's, or like a film's where they are wanted."""
    if not films:
        return formats.has_picture_ending_bytes
    endings = formats.has_picture_ending_bytes, film_formats.has_film_ending_bytes
    return lambda name: any(has_ending(name) for has_ending in endings)


def films_in(listing: Listing) -> list[int]:
    """Bytes of each film of a folder that is not the half of a photo."""
    sizes = {
        name: size
        for name, size in zip(listing.names, listing.sizes, strict=True)
        if film_formats.has_film_ending_bytes(name)
    }
    halves = film_formats.halves_of_photos(listing.names, listing.sizes) if sizes else set()
    return [size for name, size in sizes.items() if name not in halves]


def sidecars_in(listing: Listing, ids: Sequence[str]) -> dict[str, Sidecar]:
    """By the photo's id; their fingerprints are in the listing already."""
    belonging = sidecars.belonging(listing.names, listing.joined)
    if not belonging:
        return {}
    places = {name: place for place, name in enumerate(listing.names)}
    found = {}
    for name, sidecar in belonging.items():
        photo = listing.photo(places[sidecar])
        found[ids[places[name]]] = Sidecar(photo.path, photo.size, photo.mtime_ns)
    return found
