"""Requests to Elasticsearch as pure functions: settings, mappings, filters, searches. Field names
are those of the tutorial whose applications may read our index, and our own beside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from imgsearch.dataclass import dataclass
from imgsearch.index.elasticsearch.errors import cluster_error
from imgsearch.index.elasticsearch.features import QUANTIZATIONS, Features
from imgsearch.models.base import Vector

VECTOR = "image_embedding"
PARTS, PARTED = "parts", "parted"  # parts of a photo, and the kinds it was looked through for
PART_VECTOR = f"{PARTS}.vector"
LINES, LINE_COUNT, LINE_WORDS = "lines", "line_count", "line_words"  # of text read in a photo
NOT_OF_RECORDS = [VECTOR, PARTS, LINES, LINE_WORDS]
WITHOUT_VECTORS = {"_source": {"excludes": NOT_OF_RECORDS}}
WITH_LINES = {"_source": {"excludes": [VECTOR, PARTS, LINE_WORDS]}}
INDEX_TYPES = {"none": "hnsw", "int8": "int8_hnsw", "int4": "int4_hnsw", "bbq": "bbq_hnsw"}
GRAPH = {"m": 16, "ef_construction": 100}  # the server's defaults, which 8.6 wants to be told
OVERSAMPLE = {"int8_hnsw": 2.0, "int4_hnsw": 3.0, "bbq_hnsw": 5.0}  # candidates per wanted hit
MOST = 10_000  # hits, candidates and rows of a page: the server's limit for each
# Of 100,000 random vectors, the hardest to search, 100 candidates find 55 % of the ten nearest, 400
# find 78 % and take a tenth longer, 800 find 88 %. Pictures lie in clusters and are easier.
LEAST_CANDIDATES = 500
RECORDS_AT_A_TIME = 1000  # without vectors: half a megabyte
EXPECTED_TIES = 8  # hits beyond k that are asked for, to see whether some tie with the last

_NAME = re.compile(r"[^-_+.A-Z\\/*?\"<>| ,#:][^A-Z\\/*?\"<>| ,#:]*")
# room for "-000001-rows", which the index behind the alias adds
_LONGEST_NAME = 240  # bytes


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """How a new index is made. `quantization` None: what suits the server's version."""

    shards: int = 1
    replicas: str = "auto"  # or a number
    quantization: str | None = None  # none, int8, int4, bbq
    source_vectors: bool = False  # keep vectors in _source, for programs that read them there


def check_name(name: str) -> None:
    """Raises UsageError for a name that an index cannot have."""
    if not _NAME.fullmatch(name) or len(name.encode()) > _LONGEST_NAME:
        raise cluster_error("bad_name", name=name)


# -- making an index

WORDS, WORDS_MARK = "words", "words_mark"  # tokens, and how texts were cut into them
_KEYWORD = {"type": "keyword"}
_LONG = {"type": "long"}
_TEXT = {"type": "text"}
# what pictures say about themselves: indices of versions before get these with their next ingest
DESCRIPTIONS: Mapping[str, Any] = {
    "date_precision": _KEYWORD,
    "date_source": _KEYWORD,
    "title": _TEXT,
    "caption": _TEXT,
    "tags": {"type": "keyword", "normalizer": "lowercase", "ignore_above": 1024},
    "rating": {"type": "byte"},
    "country": _KEYWORD,
    "city": {"type": "keyword", "ignore_above": 1024},
    "metadata_mark": _LONG,
    "perceptual_hash": {"type": "keyword", "index": False},
    WORDS: {"type": "text", "analyzer": "whitespace"},
    WORDS_MARK: _LONG,
    # of other fields, so that they can be counted and compared
    "folder": {"type": "keyword", "ignore_above": 8000},
    "orientation": _KEYWORD,
    "pixels": _LONG,
}
PROPERTIES: Mapping[str, Any] = {
    # the tutorial's
    "image_id": _KEYWORD,  # = _id
    "image_name": _KEYWORD,
    "relative_path": _KEYWORD,
    "exif": {
        "properties": {
            # a camera's clock may say the year 0: the photo counts all the same
            "date": {"type": "date", "ignore_malformed": True},
            "location": {"type": "geo_point", "ignore_malformed": True},
        }
    },
    # ours
    "library": _KEYWORD,
    "path_escaped": {"type": "boolean"},
    "content_hash": _KEYWORD,
    "bytes": _LONG,  # with mtime_ns: the fingerprint
    "mtime_ns": _LONG,
    "format": _KEYWORD,
    "width": {"type": "integer"},
    "height": {"type": "integer"},
    "camera": {"type": "keyword", "ignore_above": 1024},
    "lens": {"type": "keyword", "ignore_above": 1024},
    "date_offset": _KEYWORD,
    **DESCRIPTIONS,
}


def create_body(
    aliases: Collection[str], meta: Mapping[str, Any], options: CreateOptions, features: Features
) -> dict[str, Any]:
    """An index without its vector field, whose dims only the models tell (`vector_mapping`)."""
    settings: dict[str, Any] = {}
    if not features.serverless:  # there the service decides
        settings["number_of_shards"] = options.shards
        if options.replicas == "auto":
            settings["auto_expand_replicas"] = "0-1"
        else:
            settings["number_of_replicas"] = int(options.replicas)
        # what is removed leaves the disk with the next merge for it, however little it is
        settings["merge.policy.expunge_deletes_allowed"] = 0
    if features.leaves_vectors_out:
        settings["mapping.exclude_source_vectors"] = not options.source_vectors
    return {
        "aliases": {alias: {} for alias in aliases},
        "settings": {"index": settings},
        "mappings": {"dynamic": "strict", "_meta": dict(meta), "properties": dict(PROPERTIES)},
    }


def quantization_of(options: CreateOptions, features: Features, dims: int, place: str) -> str:
    """The one to use. Raises UsageError for what this server, or these vectors, cannot have."""
    asked = options.quantization
    if asked is None:
        return features.default_quantization
    if not features.has(asked):
        raise cluster_error(
            "quantization",
            place=place,
            version=features,
            asked=asked,
            wanted=".".join(map(str, QUANTIZATIONS[asked])),
            choices=", ".join(name for name in QUANTIZATIONS if features.has(name)),
        )
    if (asked == "int4" and dims % 2) or (asked == "bbq" and dims < 64):
        raise cluster_error("dims_of_quantization", asked=asked, dims=dims)
    return asked


def vector_mapping(dims: int, quantization: str) -> dict[str, Any]:
    """The type is always named: what a server takes by default changes with its version."""
    return {
        VECTOR: {
            "type": "dense_vector",
            "dims": dims,
            "index": True,
            "similarity": "cosine",
            "index_options": {"type": INDEX_TYPES[quantization], **GRAPH},
        }
    }


def parts_mapping(vector: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of photos' parts. `vector`: the mapping of `VECTOR`, which their vectors share."""
    part = {
        "kind": _KEYWORD,
        "place": {"type": "integer", "index": False, "doc_values": False},
        "vector": dict(vector),
    }
    return {
        PARTED: _KEYWORD,
        PARTS: {"type": "nested", "properties": part},
        LINES: {"type": "object", "enabled": False},
        LINE_COUNT: {"type": "integer"},
        LINE_WORDS: {"type": "text", "analyzer": "whitespace"},
    }


# -- asking


def candidates(k: int, override: int | None) -> int:
    """How many each shard looks at. More find more and cost time in proportion."""
    return min(MOST, max(override or max(LEAST_CANDIDATES, 2 * k), k))


@dataclass(frozen=True, slots=True)
class Words:
    """A query text for a model deployed in the cluster, in place of a vector."""

    text: str
    model_id: str  # or the name of its deployment

    def builder(self) -> dict[str, Any]:
        return {"text_embedding": {"model_id": self.model_id, "model_text": self.text}}


def knn_body(
    vector: Vector | Words,
    k: int,
    filters: Sequence[Mapping[str, Any]],
    *,
    num_candidates: int | None,
    index_type: str,
    features: Features,
    field: str = VECTOR,
) -> dict[str, Any]:
    """A search by cosine; conditions inside, so that k hits fulfil them. Vectors stay there.
    `field`: for `PART_VECTOR` the hits are photos by their best parts."""
    knn: dict[str, Any] = {
        "field": field,
        "k": k,
        "num_candidates": candidates(k, num_candidates),
    }
    if isinstance(vector, Words):
        knn["query_vector_builder"] = vector.builder()
    else:
        knn["query_vector"] = vector.tolist()
    if filters:
        knn["filter"] = list(filters)
    if features.rescores and index_type in OVERSAMPLE:
        # the cosines of the full vectors: the same scores on every backend
        knn["rescore_vector"] = {"oversample": OVERSAMPLE[index_type]}
    return {"knn": knn, "size": k, "track_total_hits": False, **WITHOUT_VECTORS}


def sample_body(start: int, count: int) -> dict[str, Any]:
    """Vectors of random photos, in an order that stays from page to page."""
    return {
        "query": {
            "function_score": {
                "query": {"exists": {"field": VECTOR}},
                "random_score": {"seed": 1, "field": "_seq_no"},
                "boost_mode": "replace",
            }
        },
        "from": start,
        "size": count,
        "track_total_hits": False,
        "_source": False,
        "fields": [VECTOR],
    }


def page_body(
    pit: str, sort: str, size: int, query: Mapping[str, Any], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """A page of everything that a point in time shows, in the order of `sort`."""
    return {
        "pit": {"id": pit, "keep_alive": "10m"},
        "size": size,
        "sort": [sort],
        "query": dict(query),
        "track_total_hits": False,
        **fields,
    }
