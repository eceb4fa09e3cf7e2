"""Makes the README's picture of a result, from a real one: `python -m tests.readme_picture`."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from imgsearch.demo import PHOTOS
from imgsearch.index.local.index import open_local
from imgsearch.output.results_table import Page, table_lines
from imgsearch.search import Result
from tests.command import SCRIPT

WORDS = "green recycle"
PICTURE = Path(__file__).parent.parent / ".github" / "demo.svg"
SIDE, GAP = 96, 22  # of the icons below the table, in the picture's units


def _answers(folder: Path) -> list[Result]:
    env = {**os.environ, "IMGSEARCH_MODEL": "demo", "IMGSEARCH_INDEX": str(folder / "index")}
    subprocess.run([SCRIPT, "ingest", PHOTOS], env=env, check=True)
    asked = [SCRIPT, "query", WORDS, "-k", "6", "--json"]
    lines = subprocess.run(asked, env=env, check=True, capture_output=True, text=True).stdout
    found = [json.loads(line) for line in lines.splitlines()]
    index = open_local(folder / "index", create=False)
    records = index.records([hit["id"] for hit in found])
    index.close()
    return [
        Result(
            hit["rank"], hit["score"], records[hit["id"]], os.fsencode(hit["path"]), missing=False
        )
        for hit in found
    ]


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


def _with_icons(svg: str, results: list[Result]) -> str:
    """The found pictures, side by side in the room that was left below the table."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None
    top = float(found[2]) - SIDE - 3 * GAP
    images = []
    for place, result in enumerate(results):
        assert result.path is not None
        data = base64.b64encode(Path(os.fsdecode(result.path)).read_bytes()).decode()
        kind = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp"}[result.record.format]
        at = f'x="{40 + place * (SIDE + GAP)}" y="{top}" width="{SIDE}" height="{SIDE}"'
        images.append(
            f'<rect {at} fill="white"/><image {at} href="data:image/{kind};base64,{data}"/>'
        )
    return svg.replace("</svg>", "\n".join(images) + "\n</svg>")


if __name__ == "__main__":
    main()
