"""Texts to vectors in the cluster, and whether they are those that this machine would make."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import numpy as np

from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.documents import unpacked
from imgsearch.index.elasticsearch.text_model.errors import failure
from imgsearch.index.elasticsearch.text_model.state import ClusterModel, Model
from imgsearch.models.base import TextEncoder, Vectors, unit

AGREES = 0.999  # cosine; a server's kernels differ in the sixth digit
SENTENCES = (  # in four scripts
    "Ein alter Traktor vor der Scheune, schwarz-weiß fotografiert",
    "жовтий будинок біля моря",
    "海辺で遊ぶ子供たち",
    "قطة نائمة على الأريكة",
)
_SECONDS = 30  # for one text


def embed(
    model: ClusterModel,
    described: Model,
    deployment: str,
    texts: Sequence[str],
    retry_for: float = 0.0,
) -> Vectors:
    """(n, dims), unit rows; `deployment`: its name. One text a request: older servers take no more.
    The model's own prefix for searches is put before each, which `_infer` does not do by itself."""
    path = f"/_ml/trained_models/{quote(deployment, safe='')}/_infer?timeout={_SECONDS}s"
    rows = []
    for text in texts:
        body = {"docs": [{described.field: described.search_prefix + text}]}
        answer = model.ask("POST", path, body, timeout=2.0 * _SECONDS, retry_for=retry_for)
        results = answers.objects(model.place, answer, "inference_results")
        result = results[0] if len(results) == 1 else {}
        vector = unpacked(result.get(described.result), described.dims)
        if vector is None:
            raise failure(
                "no_vector",
                place=model.place,
                model_id=model.model_id,
                text=text[:60],
                reason=result.get("error", "the answer holds none"),
            )
        rows.append(vector)
    return unit(np.stack(rows))


def compare(
    model: ClusterModel, described: Model, deployment: str, encoder: TextEncoder
) -> tuple[float, str]:
    """The lowest cosine between the cluster's vectors and this machine's, and of which sentence.
    Raises ModelError where they have not even the same dimensions."""
    theirs = embed(model, described, deployment, SENTENCES, retry_for=_SECONDS)
    ours = encoder.encode(SENTENCES)
    if theirs.shape != ours.shape:
        raise failure(
            "other_space",
            place=model.place,
            model_id=model.model_id,
            dims=theirs.shape[1],
            asked=ours.shape[1],
        )
    cosines = (theirs * ours).sum(axis=1)
    worst = int(np.argmin(cosines))
    return float(cosines[worst]), SENTENCES[worst]
