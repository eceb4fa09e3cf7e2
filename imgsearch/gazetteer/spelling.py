"""Names that are spelled almost like another one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def closest(folded: str, lines: Sequence[str], most: int) -> list[str]:
    """The names among `lines` (each "name, tab, numbers of its places by population") that differ
    least from `folded`, at most by a third of its letters; equals by their size."""
    allowed = max(1, min(3, len(folded) // 3))
    names, places = [], []
    for line in lines:
        name, _, numbers = line.partition("\t")
        if abs(len(name) - len(folded)) <= allowed and folded:
            names.append(name)
            places.append(int(numbers.partition(" ")[0]))
    if not names:
        return []
    distances = _distances(folded, names)
    order = np.lexsort((np.array(places), distances))
    return [names[number] for number in order[:most] if distances[number] <= allowed]


def _distances(word: str, names: list[str]) -> NDArray[np.int16]:
    """Edits (insert, delete, replace, swap neighbours) from `word` to each of `names`, all at
    once: row by row of the usual table, with the names side by side."""
    longest = max(map(len, names))
    letters = np.array(names, dtype=f"U{longest}").view(np.uint32).reshape(len(names), longest)
    columns = np.ascontiguousarray(letters.T)
    before = np.zeros((0, len(names)), dtype=np.int16)
    row = np.repeat(np.arange(longest + 1, dtype=np.int16)[:, None], len(names), axis=1)
    for number, letter in enumerate(word):
        following = np.empty_like(row)
        following[0] = number + 1
        for at in range(longest):
            step = np.minimum(row[at] + (columns[at] != ord(letter)), row[at + 1] + 1)
            following[at + 1] = np.minimum(step, following[at] + 1)
            if number and at:
                swapped = (columns[at] == ord(word[number - 1])) & (columns[at - 1] == ord(letter))
                swap = np.where(swapped, before[at - 1] + 1, following[at + 1])
                following[at + 1] = np.minimum(following[at + 1], swap)
        before, row = row, following
    lengths = np.array([len(name) for name in names])
    return np.asarray(row[lengths, np.arange(len(names))])
