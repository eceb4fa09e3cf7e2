"""The TorchScript of a text tower, as eland makes it, kept until the cluster's model is verified.

No two traces have the same bytes, so a broken upload can only go on from the very file that it
began with."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imgsearch import paths
from imgsearch.dataclass import dataclass
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.text_model.errors import failure
from imgsearch.models import Tower, trust
from imgsearch.models.hub import quiet_environment
from imgsearch.progress import Progress

MODEL_FILE, VOCABULARY_FILE, DESCRIPTION = "traced.pt", "vocabulary.json", "trace.json"
_ELAND_KNOWS = (9, 1, 0)  # for a project that follows no version
_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Trace:
    folder: Path
    sha256: str
    size: int  # bytes
    configuration: Mapping[str, Any]  # as the server takes it, but for what tells uploads apart

    @property
    def file(self) -> Path:
        return self.folder / MODEL_FILE

    def vocabulary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / VOCABULARY_FILE).read_text("utf-8"))
        return found


def kept(folder: Path) -> Trace | None:
    """The trace that an earlier run left, where it is complete."""
    try:
        described = json.loads((folder / DESCRIPTION).read_text("utf-8"))
        found = Trace(folder, described["sha256"], described["size"], described["configuration"])
        whole = found.file.stat().st_size == found.size and (folder / VOCABULARY_FILE).is_file()
    except (OSError, ValueError, KeyError):
        return None
    return found if whole else None


def make(tower: Tower, folder: Path, features: Features, progress: Progress) -> Trace:
    """Raises ModelError for a model that eland or the server does not know. Seconds, and about
    three times the weights in memory."""
    progress("tracing the text model", 0, 0)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    size, configuration = _traced(tower, folder, features)
    _let_go()
    sha256 = _sha256(folder / MODEL_FILE)
    described = {"sha256": sha256, "size": size, "configuration": configuration}
    # last of all: what lies there now is whole
    paths.write_whole(folder / DESCRIPTION, json.dumps(described, ensure_ascii=False))
    return Trace(folder, sha256, size, configuration)


def forget(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _traced(tower: Tower, folder: Path, features: Features) -> tuple[int, dict[str, Any]]:
    trust.require_safe(tower.source_folder)
    version = _ELAND_KNOWS if features.serverless else (*features.version, 0, 0)[:3]
    with _quietly():
        try:
            from eland.ml.pytorch.transformers import TransformerModel

            model = TransformerModel(
                model_id=str(tower.source_folder),
                task_type="text_embedding",
                es_version=version,
                quantize=False,  # a vector would depend on what else is in its batch
                max_model_input_size=longest_text(tower.source_folder),
            )
            path, config, vocabulary = model.save(str(folder))
        except TypeError as error:  # eland's way of refusing a tokenizer
            raise failure("unsuitable", model=tower.identity.name, reason=_first(error)) from error
        except (OSError, ValueError, RuntimeError, AttributeError, ImportError, KeyError) as error:
            # whatever eland, transformers and torch make of a model that they cannot read
            raise failure("untraceable", model=tower.identity.name, reason=_first(error)) from error
    os.replace(path, folder / MODEL_FILE)
    if Path(vocabulary).name != VOCABULARY_FILE:
        os.replace(vocabulary, folder / VOCABULARY_FILE)
    size = (folder / MODEL_FILE).stat().st_size
    return size, configuration(config.to_dict(), tower, size)


def _let_go() -> None:
    """torch keeps what it has traced, half a gigabyte, for as long as the process lives."""
    import torch

    with contextlib.suppress(AttributeError):  # none of it is public
        torch.jit._state._clear_class_state()
        torch._C._jit_clear_class_registry()
    gc.collect()


def configuration(made: Mapping[str, Any], tower: Tower, size: int) -> dict[str, Any]:
    """eland's, put right: its description would hold a local path, and its memory is counted twice
    where sentence-transformers is 5.4 or later."""
    name = tower.identity.name
    metadata = {**made.get("metadata", {}), "per_deployment_memory_bytes": size}
    return {
        **made,
        "description": f"{name}: the text model of imgsearch",
        "metadata": metadata,
        "tags": ["imgsearch"],
    }


def longest_text(folder: Path) -> int | None:
    """The number of tokens at which sentence-transformers cuts a text; None for the tokenizer's own
    limit."""
    try:
        config = json.loads((folder / "sentence_bert_config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    longest = config.get("max_seq_length")
    return longest if isinstance(longest, int) else None


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """torch.jit is deprecated, and what the server loads; the tracer warns of branches that are the
    same for every text; the profiler that eland uses logs its start."""
    quiet_environment()
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    noisy = [logging.getLogger(name) for name in ("sentence_transformers", "transformers")]
    levels = [logger.level for logger in noisy]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in noisy:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(noisy, levels, strict=True):
                logger.setLevel(level)


def _sha256(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            whole.update(block)
    return whole.hexdigest()


def _first(error: Exception) -> str:
    """The first line of an error's text, which may be a page long."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
