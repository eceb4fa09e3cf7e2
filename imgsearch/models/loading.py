"""Opens a directory as a model of sentence-transformers, or says why it cannot be opened."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.errors import ModelError
from imgsearch.models import trust
from imgsearch.models.hub import quiet_environment

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_MAX_LENGTH = 512  # tokens, for a model that says nothing
# Trained on texts padded to the full length, without a mask: padded to the longest of a batch, a
# text's vector would depend on its batch mates
FIXED_LENGTH = {"siglip", "siglip2"}
# What torch and transformers raise for a model that is damaged, foreign or of another kind; they
# have no classes of their own for it
REFUSALS = (ValueError, RuntimeError, KeyError, TypeError, AttributeError, IndexError)


def load(source: Path) -> SentenceTransformer:
    """A directory in f32 on the CPU, for inference. Raises ModelError, also for a folder that would
    run code and is not allowed to."""
    trust.require_safe(source)
    quiet_environment()
    import pickle

    import torch
    from safetensors import SafetensorError

    with muted():
        from sentence_transformers import SentenceTransformer

        try:
            # eager attention traces into a plain graph; where the model allows no choice, its own
            model = SentenceTransformer(
                str(source),
                device="cpu",
                local_files_only=True,
                trust_remote_code=trust.allowed(source),
                model_kwargs={"attn_implementation": "eager"},
            )
        # What a damaged or foreign directory raises, in transformers, torch and safetensors
        except (
            *(OSError, ImportError, SafetensorError, pickle.UnpicklingError),
            *REFUSALS,
        ) as problem:
            if _refused_pickle(problem):
                raise ModelError(
                    f"The weights in {source} are a pickle that holds more than tensors, or is"
                    " damaged: torch's restricted reader refuses it.",
                    "Save the weights as model.safetensors, or choose another model.",
                ) from problem
            raise ModelError(
                f"sentence-transformers cannot load the model in {source}: "
                f"{type(problem).__name__}: {first_line(problem)}",
                "Give a directory that SentenceTransformer(…) loads, or another model.",
            ) from problem
    if model_type(model) in FIXED_LENGTH:
        model[0].processing_kwargs = {
            "text": {"padding": "max_length", "max_length": max_length(model)}
        }
    with torch.no_grad():
        return model.float().eval()


def _refused_pickle(problem: BaseException | None) -> bool:
    """Whether torch's restricted unpickler is behind it: transformers wraps what it says."""
    import pickle

    while problem is not None:
        if isinstance(problem, pickle.UnpicklingError):
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def max_length(model: SentenceTransformer) -> int:
    """Tokens; transformers writes 10^30 for a tokenizer that knows no limit."""
    length = model.max_seq_length
    return int(length) if length and length < 1_000_000 else _MAX_LENGTH


def model_type(model: SentenceTransformer) -> str:
    return str(getattr(getattr(model[0], "config", None), "model_type", ""))


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """The libraries' warnings are about their own future, and not for the user."""
    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200]
