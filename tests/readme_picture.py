"""Makes the README's picture of a result, from a real one: `python -m tests.readme_picture`."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

import imgsearch
from imgsearch.demo import PHOTOS
from imgsearch.output.results_table import Page, table_lines
from imgsearch.results import Results
from tests.command import SCRIPT

WORDS = "green recycle"
PICTURE = Path(__file__).parent.parent / ".github" / "demo.svg"
SIDE, GAP = 96, 22  # of the icons below the table, in the picture's units


def _answers(folder: Path) -> Results:
    env = {**os.environ, "IMGSEARCH_MODEL": "demo", "IMGSEARCH_INDEX": str(folder / "index")}
    subprocess.run([SCRIPT, "ingest", PHOTOS], env=env, check=True)
    with imgsearch.open(folder / "index") as library:
        return library.search(WORDS, k=6)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        results = _answers(Path(folder))
    console = Console(record=True, width=76, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "dim"), (f'imgsearch query "{WORDS}"', "bold")))
    page = Page(console.width, styled=True)
    console.print(Text.from_ansi("\n".join(table_lines(results, None, page))))
    for _ in range(5):
        console.print()
    svg = console.export_svg(title="imgsearch")
    PICTURE.write_text(_with_icons(svg, results), "utf-8")


def _with_icons(svg: str, results: Results) -> str:
    """The found pictures, side by side in the room that was left below the table."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None
    top = float(found[2]) - SIDE - GAP
    images = []
    for place, hit in enumerate(results):
        assert hit.path is not None
        data = base64.b64encode(hit.path.read_bytes()).decode()
        kind = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp"}[hit.record.format]
        at = f'x="{40 + place * (SIDE + GAP)}" y="{top}" width="{SIDE}" height="{SIDE}"'
        images.append(
            f'<rect {at} fill="white"/><image {at} href="data:image/{kind};base64,{data}"/>'
        )
    return svg.replace("</svg>", "\n".join(images) + "\n</svg>")


if __name__ == "__main__":
    main()
