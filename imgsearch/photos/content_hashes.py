"""Hashes of files' bytes, by which a photo is known again wherever it lies. An index goes on with
the algorithm that it began with: BLAKE3, or BLAKE2b where a former version began it, which takes
seven times as long. A hash's length says which it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Literal

Algorithm = Literal["blake3", "blake2b"]
_BLAKE3_BYTES, _BLAKE2B_BYTES = 20, 16  # no accidental twin among any number of photos
_CHUNK = 1 << 17  # bytes read at a time


def of_bytes(data: bytes | memoryview, algorithm: Algorithm) -> str:
    """Hexadecimal."""
    return _digest(_hasher(algorithm, data), algorithm)


def of_file(path: str, algorithm: Algorithm) -> str:
    """As `of_bytes`, read in pieces. Raises OSError."""
    hasher = _hasher(algorithm)
    piece = memoryview(bytearray(_CHUNK))  # the same for all: fresh memory costs as much as hashing
    with open(path, "rb", buffering=0) as file:
        while size := file.readinto(piece):
            hasher.update(piece[:size])
    return _digest(hasher, algorithm)


def is_of_file(content_hash: str, path: str) -> bool:
    """Whether the file has these bytes. Raises OSError."""
    return of_file(path, algorithm_of(content_hash)) == content_hash


def algorithm_of(content_hash: str) -> Algorithm:
    return "blake2b" if len(content_hash) == 2 * _BLAKE2B_BYTES else "blake3"


def algorithm_of_most(hashes: Iterable[str]) -> Algorithm:
    """BLAKE3 where there are none, or only empty ones, which are another program's."""
    found = [algorithm_of(each) for each in hashes if each]
    return "blake2b" if 2 * found.count("blake2b") > len(found) else "blake3"


def _hasher(algorithm: Algorithm, data: bytes | memoryview = b"") -> Any:
    if algorithm == "blake2b":
        return hashlib.blake2b(data, digest_size=_BLAKE2B_BYTES)
    from blake3 import blake3

    return blake3(data)


def _digest(hasher: Any, algorithm: Algorithm) -> str:
    digest = hasher.hexdigest() if algorithm == "blake2b" else hasher.hexdigest(_BLAKE3_BYTES)
    return str(digest)
