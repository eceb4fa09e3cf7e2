"""What ships in the package: a small model pair and a library of icons, made by
`imgsearch.demo.training`. A demonstration: it knows icons, not photographs."""

from __future__ import annotations

from pathlib import Path

PHOTOS = Path(__file__).parent / "photos"
QUERIES = ("green recycle", "European E", "etwas zu trinken")  # one not in English
