"""Documents and `_meta` that no imgsearch wrote: of wrong kinds, out of range, hostile."""

from __future__ import annotations

from typing import Any

SURROGATE = "\ud83d"
FIELDS = (
    "image_id", "image_name", "relative_path", "library", "path_escaped", "content_hash", "bytes",
    "mtime_ns", "format", "width", "height", "camera", "lens", "date_offset", "exif",
    "date_precision", "date_source", "title", "caption", "tags", "rating", "country", "city",
    "metadata_mark",
)  # fmt: skip
KINDS: dict[str, Any] = {
    "list": ["a", ["b"], {"c": 1}],
    "number": 1.5,
    "text": "\x1b]0;text\x07",
    "object": {"a": {"b": None}},
    "bool": True,
}
DOCUMENTS: dict[str, dict[str, Any]] = {
    **{f"{field}-{kind}": {field: value} for field in FIELDS for kind, value in KINDS.items()},
    "date-number": {"exif": {"date": 2024}},
    "date-words": {"exif": {"date": "last \x1b[31msummer"}},
    "date-object": {"exif": {"date": {"year": 2024}}},
    "location-far": {"exif": {"location": {"lat": 1e9, "lon": 0}}},
    "location-text": {"exif": {"location": {"lat": "47", "lon": "8"}}},
    "location-nested": {"exif": {"location": [[8, 47], [8, 47]]}},
    "location-null": {"exif": {"location": {"lat": None, "lon": 8}}},
    "location-list": {"exif": {"location": [8]}},
    "width-negative": {"width": -5},
    "height-huge": {"height": 2**62},
    "bytes-negative": {"bytes": -1},
    "bytes-above": {"bytes": 2**64},
    "mtime-above": {"mtime_ns": 2**80},
    "path-nul": {"relative_path": "a\0b.jpg"},
    "path-newline": {"relative_path": "a\nb.jpg"},
    "path-absolute": {"relative_path": "/etc/hostname"},
    "path-up": {"relative_path": "../../../../etc/passwd"},
    "path-escaped-up": {"relative_path": "..%2F..%2Fetc%2Fpasswd", "path_escaped": True},
    "path-escaped-nul": {"relative_path": "a%00b.jpg", "path_escaped": True},
    "path-surrogate": {"relative_path": f"a{SURROGATE}.jpg"},
    "path-escapes": {"relative_path": "a\x1b[2J\x9b31m\u202egnp.jpg"},
    "path-empty": {"relative_path": ""},
    "path-long": {"relative_path": "x/" * 8000 + "x.jpg"},
    "name-up": {"relative_path": None, "image_name": "../x.jpg"},
    "library-nul": {"library": "a\0b"},
    "library-surrogate": {"library": f"a{SURROGATE}"},
    "library-escapes": {"library": "\x1b[2Jx\r\u202e"},
    "library-empty": {"library": ""},
    "library-several": {"library": ["album", "other"]},
    "camera-surrogate": {"camera": SURROGATE, "lens": SURROGATE * 3},
    "camera-escapes": {"camera": "\x1b[2J", "lens": "=HYPERLINK(1)"},
    "id-odd": {"image_id": "not one of ours"},
    "id-hex-short": {"image_id": "ab" * 15},
    "id-upper": {"image_id": "AB" * 16},
    "all-null": dict.fromkeys(FIELDS),
    "nothing": {},
}

# parts without a vector get one of the index's length, where it is not None
REGION: dict[str, Any] = {"kind": "region", "place": [0, 0, 9, 9]}
PARTS: dict[str, dict[str, Any]] = {
    "parted-number": {"parted": 5},
    "parted-unknown": {"parted": ["soul", "region"]},
    "parted-empty": {"parted": "region", "parts": []},
    "parts-text": {"parted": "region", "parts": "x"},
    "parts-null": {"parted": "region", "parts": [None]},
    "parts-dims": {"parted": "region", "parts": [{**REGION, "vector": [1.0, 0.0]}]},
    "parts-no-vector": {"parted": "region", "parts": [{**REGION, "vector": None}]},
    "parts-no-kind": {"parted": "region", "parts": [{"place": [0, 0, 9, 9]}]},
    "parts-kind-unknown": {"parted": "soul", "parts": [{**REGION, "kind": "soul"}]},
    "parts-place-far": {"parted": "region", "parts": [{**REGION, "place": [0, 0, 2**31 - 1, 0]}]},
    "parts-place-text": {"parted": "region", "parts": [{**REGION, "place": ["a", None, {}, []]}]},
    "parts-place-short": {"parted": "page", "parts": [{"kind": "page", "place": [1, 2]}]},
    "parts-many": {"parted": "region", "parts": [REGION] * 1500},
    "lines-number": {"parted": "text", "lines": 5, "line_count": 2**31 - 1},
    "lines-none": {"parted": "text", "line_words": ["stolen", "stolen words"]},
    "lines-odd": {"parted": "text", "lines": [{"place": [0], "text": "\x1b[2J"}, None, "x"]},
    "lines-escapes": {
        "parted": "text",
        "lines": [{"place": [0, 0, 9, 9], "text": "\x1b[2J\u202e"}],
    },
}

MODEL = {"name": "m", "digest": "d"}
PAIR = {"image_model": MODEL, "text_model": MODEL, "dims": 32, "quantized": False}
METAS: dict[str, dict[str, Any]] = {
    **{
        f"{key}-{kind}": {key: value}
        for key in ("models", "root_hints", "last_ingest", "index_id", "schema_version")
        for kind, value in {**KINDS, "null": None, "empty": {}}.items()
    },
    "models-no-text": {"models": {**PAIR, "text_model": None}},
    "models-name-list": {"models": {**PAIR, "image_model": {"name": ["m"], "digest": "d"}}},
    "models-name-escapes": {"models": {**PAIR, "image_model": {"name": "\x1b[2J", "digest": "d"}}},
    "models-name-long": {"models": {**PAIR, "image_model": {"name": "m" * 9999, "digest": "d"}}},
    "models-dims-text": {"models": {**PAIR, "dims": "32"}},
    "models-dims-other": {"models": {**PAIR, "dims": 33}},
    "models-dims-huge": {"models": {**PAIR, "dims": 2**62}},
    "models-quantized-null": {"models": {**PAIR, "quantized": None}},
    "hints-of-kinds": {"root_hints": {"a": 1, "b": ["c"], "holiday": {"d": None}}},
    "last-of-kinds": {
        "last_ingest": {"added": "x", "finished": 3, "skipped": [1, {"path": 2}], "updated": [1]}
    },
    "last-escapes": {
        "last_ingest": {
            "finished": "\x1b[2J",
            "skipped": [{"path": "\x1b[2J", "reason": "\x9b", "detail": "\r"}],
        }
    },
    "id-long": {"index_id": "x" * 5000},
    "id-escapes": {"index_id": "\x1b[2J"},
    "schema-zero": {"schema_version": 0},
    "schema-negative": {"schema_version": -3},
    "nested": {"other": {"a": [{"b": [{"c": [[[[1]]]]}]}]}},
}
