"""What ships in the package: a small model pair and a library of icons, made by
`imgsearch.demo.training`. A demonstration: it knows icons, not photographs."""

from __future__ import annotations

from pathlib import Path

PHOTOS = Path(__file__).parent / "photos"
QUERIES = {  # words, each with what their results show
    "green recycle": "No name tells what a picture shows. Above the line stands what fits:",
    "European E": "Five versions of one sign, whatever their files are called:",
    "etwas zu trinken": "Any language will do: this is German for “something to drink”:",
}
SIMILAR = "And by a picture, the first of the five signs; the four others are found:"
