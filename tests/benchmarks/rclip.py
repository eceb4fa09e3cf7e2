"""rclip 3.x from PyPI in a virtual environment of its own, with models of its architecture and
random weights where it looks for the ones that it would download.

Its model is ViT-B/32 at 256 pixels (open_clip's ViT-B-32-256), in f32, exported as its own
`scripts/convert_model.py` does: traced, opset 18, one file a tower."""

from __future__ import annotations

import gzip
import itertools
import os
import shutil
import string
import subprocess
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.processes import timed
from tests.benchmarks.table import Bench
from tests.model_directories import VIT_B_32

REQUIREMENT = "rclip>=3,<4"
VOCABULARY, CONTEXT, EDGE, DIMS = 49_408, 77, 256, 512
_OPSET = 18

# Only what `rclip QUERY` does before it looks at the query: else every ingest would pay for one
INDEX_ONLY = """
import os
from rclip.main import init_rclip
rclip, model, database = init_rclip(os.getcwd(), 8)
rclip.close(); model.close(); database.close()
"""
FILL = """
import sys
import numpy as np
from pathlib import Path
from rclip import db
vectors = np.load(sys.argv[2])
database = db.DB(Path(sys.argv[1]) / "db.sqlite3")
for number, vector in enumerate(vectors):
    database.upsert_image(db.NewImage(
        filepath=f"{sys.argv[3]}/{number % 100:02}/IMG_{number:07}.jpg", modified_at=1.7e9 + number,
        size=3_000_000 + number, vector=vector.tobytes(), hash=f"{number:064x}"), commit=False)
database.commit()
database.close()
"""
COUNT = """
import sqlite3, sys
found = sqlite3.connect(sys.argv[1]).execute("select count(*) from images where deleted is null")
print(found.fetchone()[0])
"""


class Rclip:
    """The program, ready to run. `version`: as pip says."""

    def __init__(self, bench: Bench) -> None:
        self._folder = bench.folder("rclip")
        self._bin = self._folder / "venv" / "bin"
        self._models = self._folder / "models"
        self._install(bench)
        self.version = _version(self._folder)
        if not self._models.is_dir():
            bench.say("making rclip's models")
            building = self._folder / "models.building"
            shutil.rmtree(building, ignore_errors=True)
            _write_models(building)
            building.rename(self._models)

    def _install(self, bench: Bench) -> None:
        if (self._bin / "rclip").exists():
            return
        bench.say("installing rclip")
        venv = self._folder / "venv"
        python = str(self._bin / "python")
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(venv)],
            [python, "-m", "pip", "install", "-q", REQUIREMENT],
        ):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def library(self, name: str) -> Path:
        """A folder for its database, with the models beside, and none of an earlier run's rows."""
        folder = self._folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for part in self._models.iterdir():
            (folder / part.name).symlink_to(part)
        return folder

    def ingest(self, photos: Path) -> float:
        """Seconds of a new process that indexes a folder. Fails unless every file is indexed."""
        library = self.library("ingest")
        python = self._bin / "python"
        seconds, _ = self._timed([python, "-c", INDEX_ONLY], photos, library)
        _, said = self._timed([python, "-c", COUNT, library / "db.sqlite3"], photos, library)
        count = len(list(photos.iterdir()))
        assert int(said) == count, f"rclip indexed {said.strip()} of {count} photos"
        return seconds

    def filled(self, vectors: Path, photos: Path) -> Path:
        """A library with a row for each vector of a .npy file, its photos below `photos`."""
        library = self.library("queries")
        python = self._bin / "python"
        self._timed([python, "-c", FILL, library, vectors, photos], photos, library)
        return library

    def query(self, query: str | Path, photos: Path, library: Path) -> float:
        """Seconds of a new process that answers, without looking for new photos."""
        program = self._bin / "rclip"
        seconds, said = self._timed(
            [program, "--no-indexing", "--top", "10", query], photos, library
        )
        assert len(said.splitlines()) == 11, said  # a header and ten results
        return seconds

    def _timed(
        self, command: Sequence[str | Path], photos: Path, library: Path
    ) -> tuple[float, str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "RCLIP_DATADIR": str(library),
            "HF_HUB_OFFLINE": "1",
        }
        return timed(command, cwd=photos, environment=environment)


def _version(folder: Path) -> str:
    packages = [str(path) for path in folder.glob("venv/lib/python*/site-packages")]
    [found] = distributions(name="rclip", path=packages)
    return found.version


def _write_models(folder: Path) -> None:
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(3)
    text: dict[str, Any] = {
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "bos_token_id": VOCABULARY - 2,
        "eos_token_id": VOCABULARY - 1,
        "pad_token_id": 0,
        "hidden_act": "gelu",
    }
    vision = {**VIT_B_32, "image_size": EDGE, "hidden_act": "gelu"}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIMS))
    model = model.eval()
    towers = folder / "ViT-B-32-256-datacomp_s34b_b86k"
    towers.mkdir(parents=True)
    tokens = np.zeros((1, CONTEXT), np.int64)
    tokens[0, :3] = VOCABULARY - 2, 320, VOCABULARY - 1
    pixels = torch.randn(1, 3, EDGE, EDGE)
    _export(model, "get_image_features", pixels, towers / "visual.onnx")
    _export(model, "get_text_features", torch.from_numpy(tokens), towers / "textual.onnx")
    _write_vocabulary(folder / "tokenizer" / "bpe_simple_vocab_16e6.txt.gz")


def _export(model: Any, method: str, sample: Any, path: Path) -> None:
    import torch

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> Any:
            return getattr(self.model, method)(x)

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's, about its own future
        torch.onnx.export(
            Tower(),
            (sample,),
            str(path),
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def _write_vocabulary(path: Path) -> None:
    """Made-up merges, as many as rclip's tokenizer expects: letters first, then longer pieces."""
    letters = string.ascii_lowercase
    pieces = [
        "".join(word) for length in (1, 2, 3) for word in itertools.product(letters, repeat=length)
    ]
    pairs = (
        f"{piece} {letter}{end}" for piece in pieces for letter in letters for end in ("", "</w>")
    )
    merges = itertools.islice(pairs, VOCABULARY - 2 * 256 - 2)
    path.parent.mkdir(parents=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "\n".join(merges) + "\n")
