"""The table of all settings: what each may hold, its default, which option and environment
variables name it, what it is for, and whether a file of the working directory may set it without
the user's permission."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from imgsearch.dataclass import dataclass
from imgsearch.settings import values
from imgsearch.settings.options import always, declared, flag, never, option
from imgsearch.settings.values import OneOf, one_of, text, texts, whole

Precision = Literal["auto", "f32", "bf16", "int8"]
TextEncoder = Literal["auto", "local", "cluster"]
_PRECISION: OneOf[Precision] = one_of("auto", "f32", "bf16", "int8")
_TEXT_ENCODER: OneOf[TextEncoder] = one_of("auto", "local", "cluster")

INDEX = "Index and models"
CLUSTER = "Cluster"
TRUST = "Trust"
PICTURES = "Which pictures"
SHOWN = "How many, and how they are shown"
SPEED = "Speed"


def _inside(value: Any, directory: Path) -> bool:
    """A local index within the directory itself."""
    if not isinstance(value, str) or "://" in value or value.startswith("~"):
        return False
    folder = os.path.realpath(directory)
    try:
        target = os.path.realpath(os.path.join(folder, value))
        is_path = value.startswith(".") or "/" in value or os.path.exists(target)
        return is_path and os.path.commonpath([folder, target]) == folder
    except ValueError:  # another drive; NUL
        return False


def _hub_name(value: Any, directory: Path) -> bool:
    """A model's name on the hub, and no directory."""
    is_name = isinstance(value, str) and re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", value)
    return bool(is_name) and not os.path.isdir(os.path.join(directory, value))


def _lowers_the_limit(value: Any, directory: Path) -> bool:
    try:
        return values.above_zero(value) <= MAX_MEGAPIXELS
    except ValueError:
        return True  # refused anyway, with a sentence


MAX_MEGAPIXELS = 250.0
_SHA256_CURE = (
    "Take the SHA-256 one: openssl s_client -connect HOST:PORT </dev/null | openssl x509"
    " -fingerprint -sha256 -noout"
)


@dataclass(kw_only=True, repr=False, eq=False)  # no repr: it would show secrets
class Values:
    """All settings with their types."""

    index: str | None = option(
        text,
        "--index PATH|NAME|URL",
        "Where the index lies: a folder, a name, or https://host:9200/name.",
        heading=INDEX,
        default_text="one named default",
        harmless=_inside,
        completion="indexes",
    )
    model: str | None = option(
        text,
        "--model NAME",
        "The models: a short name (see imgsearch models), a hub name or a folder.",
        heading=INDEX,
        harmless=_hub_name,
        completion="models",
    )
    image_model: str | None = option(
        text,
        "--image-model NAME|DIR",
        "The image tower alone: a hub name or a sentence-transformers folder.",
        heading=INDEX,
        harmless=_hub_name,
    )
    text_model: str | None = option(
        text,
        "--text-model NAME|DIR",
        "The text tower alone.",
        heading=INDEX,
        harmless=_hub_name,
    )
    ocr_model: str | None = option(
        text,
        "--ocr-model FILE",
        "The network that reads lines of text, as ONNX.",
        heading=INDEX,
        default_text="the one that imgsearch-cli[ocr] brings",
    )
    precision: Precision = option(
        _PRECISION,
        "--precision",
        "Number format of the image model's weights.",
        default="auto",
        heading=SPEED,
        harmless=always,
    )
    k: int = option(
        whole,
        "-k N",
        "How many results.",
        default=10,
        heading=SHOWN,
        harmless=always,
    )
    min_score: float | None = option(
        values.cosine,
        "--min-score COSINE",
        "Leave out results below this cosine, from -1 to 1.",
        heading=SHOWN,
        harmless=always,
    )
    exclude: list[str] = option(
        texts,
        "--exclude GLOB",
        "Leave out what matches: ingest from now on, watch while it runs; repeatable.",
        default=[],
        kind="several",
        heading=PICTURES,
        harmless=always,
    )
    follow_links: bool = flag(
        "--[no-]follow-links",
        "Follow symbolic links to files and folders.",
        heading=PICTURES,
        harmless=never,
    )
    max_megapixels: float = option(
        values.above_zero,
        "--max-megapixels N",
        "Skip larger pictures.",
        default=MAX_MEGAPIXELS,
        heading=PICTURES,
        harmless=_lowers_the_limit,
    )
    batch_size: int | None = option(
        whole,
        "--batch-size N",
        "Photos embedded together.",
        heading=SPEED,
        default_text="by memory, up to 16",
    )
    workers: int | None = option(
        whole,
        "--workers N",
        "Threads.",
        heading=SPEED,
        default_text="one a core, if memory allows",
    )
    serve_password: str | None = option(
        text,
        "--password WORD",
        "Ask for it on the page, and programs for Authorization: Bearer WORD (better: in"
        " IMGSEARCH_SERVE_PASSWORD).",
        secret=True,
    )
    # the cluster
    es_url: str | None = option(
        text,
        help="The cluster's address, for an index that is only a name.",
        environment=("ES_URL", "ES_HOST"),
    )
    es_api_key: str | None = option(
        text, help="An API key for the cluster.", environment=("ES_API_KEY",), secret=True
    )
    es_user: str | None = option(text, help="A user of the cluster.", environment=("ES_USER",))
    es_password: str | None = option(
        text, help="That user's password.", environment=("ES_PASSWORD", "ES_PWD"), secret=True
    )
    es_cloud_id: str | None = option(
        text, help="The id of a deployment on Elastic Cloud.", environment=("ES_CLOUD_ID",)
    )
    ca_certs: str | None = option(
        text,
        "--ca-certs FILE",
        "CA certificates to trust, besides the system's.",
        heading=TRUST,
        environment=("ES_CA_CERTS",),
        completion="files",
    )
    verify_certs: bool = flag(
        "--[no-]verify-certs",
        "Check the cluster's certificate.",
        default=True,
        heading=TRUST,
        environment=("ES_VERIFY_CERTS",),
    )
    ssl_assert_fingerprint: str | None = option(
        values.sha256_fingerprint,
        "--ssl-assert-fingerprint SHA256",
        "Trust the certificate with this SHA-256 fingerprint.",
        heading=TRUST,
        environment=("ES_SSL_ASSERT_FINGERPRINT",),
        cure=_SHA256_CURE,
    )
    shards: int = option(
        whole,
        "--shards N",
        "Shards of a new index.",
        default=1,
        heading=CLUSTER,
        harmless=always,
    )
    replicas: str = option(
        values.replicas,
        "--replicas auto|N",
        "Replicas of a new index.",
        default="auto",
        default_text="auto, one where there are several nodes",
        heading=CLUSTER,
        harmless=always,
    )
    quantization: str | None = option(
        one_of("none", "int8", "int4", "bbq"),
        "--quantization",
        "How a new index compresses its vectors.",
        default_text="int8, from Elasticsearch 8.12 on",
        heading=CLUSTER,
        harmless=always,
    )
    source_vectors: bool = flag(
        "--[no-]source-vectors",
        "Keep vectors in a new index's _source, for applications that read them there.",
        heading=CLUSTER,
        harmless=always,
    )
    num_candidates: int | None = option(
        whole,
        "--num-candidates N",
        "How many neighbours each shard looks at.",
        default_text="chosen from -k",
        heading=CLUSTER,
        harmless=always,
    )
    text_encoder: TextEncoder = option(
        _TEXT_ENCODER,
        "--text-encoder",
        "Where words become a vector.",
        default="auto",
        default_text="auto: in the cluster if the model is there",
        heading=CLUSTER,
        harmless=always,
    )
    model_id: str | None = option(
        text,
        "--model-id ID",
        "The text model's id in the cluster.",
        heading=CLUSTER,
        default_text="made from the model's name",
    )


KNOWN = declared(Values)


@dataclass(frozen=True, slots=True)
class Setting:
    value: Any
    source: str  # "--index", "IMGSEARCH_INDEX", "IMGSEARCH_INDEX in .env", "k in …/config.toml"

    @property
    def is_default(self) -> bool:
        return self.source == "default"
