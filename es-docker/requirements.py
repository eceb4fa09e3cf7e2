"""What an image of imgsearch installs, from pyproject.toml: `serve` (all that searches, ingests and
shows), or `export` (what exports a model besides, once). One requirement a line.

    python requirements.py pyproject.toml serve"""

import re
import sys
from pathlib import Path

import tomllib

EXPORT = {"torch", "transformers", "sentence-transformers", "onnx", "eland"}


def requirements(pyproject: Path, purpose: str) -> list[str]:
    dependencies = tomllib.loads(pyproject.read_text("utf-8"))["project"]["dependencies"]
    names = {each: re.split(r"[<>=!~;\[ ]", each)[0].lower() for each in dependencies}
    return [each for each in dependencies if (names[each] in EXPORT) == (purpose == "export")]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(Path(sys.argv[1]), sys.argv[2])) + "\n")
