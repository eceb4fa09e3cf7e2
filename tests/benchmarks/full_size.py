"""imgsearch with models of full size: ViT-B/32 and the multilingual DistilBERT, with random weights
(weights do not change how long anything takes), and every setting left at its default."""

from __future__ import annotations

import json
from pathlib import Path

from imgsearch import models
from imgsearch.models import ModelSet
from tests.benchmarks.processes import timed
from tests.benchmarks.table import Bench
from tests.command import SCRIPT, Command
from tests.model_directories import full_size_pair


class Installed:
    """The installed command, with a home and a model cache in the scratch folder."""

    def __init__(self, bench: Bench) -> None:
        self._home, cache = bench.folder("home"), bench.folder("cache")
        self._models = cache / "imgsearch" / "models"
        folder = bench.folder("models")
        if len(list(folder.glob("*/modules.json"))) < 2:
            bench.say("making models of full size")
        self.image_model, self.text_model = full_size_pair(folder)
        chosen = {
            "IMGSEARCH_IMAGE_MODEL": str(self.image_model),
            "IMGSEARCH_TEXT_MODEL": str(self.text_model),
        }
        self.environment = Command(self._home, cache, chosen).env()
        self.run("setup-model")

    def run(self, *arguments: str | Path) -> tuple[float, str]:
        """Seconds of a new process, and its stdout."""
        return timed([SCRIPT, *arguments], cwd=self._home, environment=self.environment)

    def towers(self) -> ModelSet:
        """Where the exports lie."""
        names = models.model_names(None, str(self.image_model), str(self.text_model))
        found = models.cached(names, self._models)
        assert found is not None
        return found

    def ingest(self, photos: Path, index: Path) -> tuple[float, dict[str, float], int]:
        """Seconds of the whole command, seconds of work by stage, and how many photos it added.
        Fails where one was skipped."""
        seconds, said = self.run("ingest", photos, "--index", index, "--json")
        report = json.loads(said)
        assert not report["skipped"], report["skipped"][:3]
        return seconds, report["seconds"], report["added"]
