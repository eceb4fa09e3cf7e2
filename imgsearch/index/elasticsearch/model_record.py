"""Recording in an index which models made its vectors, while other machines may do the same."""

from __future__ import annotations

from imgsearch.index import recorded_models
from imgsearch.index.elasticsearch import catalogue
from imgsearch.index.elasticsearch.current_index import LiveIndex
from imgsearch.index.elasticsearch.errors import cluster_error
from imgsearch.index.elasticsearch.requests import quantization_of, vector_mapping
from imgsearch.models.base import ModelPair


def stamp(index: LiveIndex, models: ModelPair) -> None:
    """With the mapping of its vectors, where there is none yet. Raises IndexContradiction where
    another machine was faster, with other models."""
    properties = {}
    if not index.found.vector:
        quantization = quantization_of(
            index.options, index.cluster.features, models.dims, index.place
        )
        properties = vector_mapping(models.dims, quantization)
    index.change_meta(properties, models=recorded_models.dump(models))
    now = index.models()  # two machines may begin at the same moment
    if now is None or not recorded_models.same(now, models):
        made = "other models" if now is None else recorded_models.named(now)
        raise cluster_error(
            "other_models", place=index.place, models=made, asked=recorded_models.named(models)
        )


def adopt(index: LiveIndex, models: ModelPair) -> None:
    """Takes another program's index over for writing."""
    if index.found.dims != models.dims:
        raise cluster_error(
            "other_dims",
            place=index.place,
            dims=index.found.dims,
            asked=models.dims,
            models="which is not recorded",
        )
    catalogue.adopt(index.cluster, index.name, index.found, models)
    index.reload()


def check(index: LiveIndex, made_with: ModelPair) -> None:
    """What was recorded when writing began must still be: another machine that began at the same
    moment, or a version before this one, may have written over it."""
    index.reload()
    now = index.models()
    if now is None:
        index.change_meta(models=recorded_models.dump(made_with))
    elif not recorded_models.same(now, made_with):
        made, asked = recorded_models.named(now), recorded_models.named(made_with)
        raise cluster_error("other_models", place=index.place, models=made, asked=asked)
