"""How well text in photos is read: signs, receipts, screenshots and slides that a word finds, and
number plates that their own characters find first. `python -m tests.text_recall` measures."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from imgsearch import ocr
from imgsearch.index.base import PartTexts, Row, Wanted
from imgsearch.index.local.opening import open_local
from tests import lettering
from tests.index_contract import filled, record, vector
from tests.lettering import Lettered

PICTURES, PLATES = 200, 30
WORDS_AT_LEAST, PLATES_AT_LEAST = 0.90, 0.95


def found_first(pictures: Iterable[Lettered], reader: ocr.Reader, folder: Path) -> float:
    """The share of pictures that are the first match of the word that is asked for."""
    asked: dict[str, str] = {}
    rows = []
    for number, picture in enumerate(pictures):
        lines = reader.lines(picture.image)
        read = PartTexts(tuple(line.box for line in lines), tuple(line.text for line in lines))
        rows.append(Row(record(picture.name), vector(number), {"text": read}))
        asked[picture.asked] = picture.name
    with contextlib.closing(open_local(folder, create=True)) as index:
        filled(lambda name: index, rows)
        first = [
            [one.relative_path for one in index.match(Wanted(words), 1)] == [name]
            for words, name in asked.items()
        ]
    return float(np.mean(first))


def measured(pictures: int = PICTURES, plates: int = PLATES) -> dict[str, float]:
    reader = ocr.Reader()
    with tempfile.TemporaryDirectory() as folder:
        words = found_first(lettering.pictures(pictures), reader, Path(folder, "words"))
        own = found_first(lettering.plates(plates), reader, Path(folder, "plates"))
    return {"words": round(words, 3), "plates": round(own, 3)}


if __name__ == "__main__":
    print(json.dumps(measured()))
