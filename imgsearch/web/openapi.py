"""What `/api/v1` takes and gives, as an OpenAPI 3.1 document."""

from __future__ import annotations

from typing import Any

from imgsearch.copies.comparing import DIFFERENCES, LEAST_COSINE
from imgsearch.index.base import FACETS
from imgsearch.question import ORDERS, ORIENTATIONS
from imgsearch.web.security import COOKIE
from imgsearch.word_splitting import FIELDS

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_WHOLE = {"type": "integer", "minimum": 0}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "cure"],
            "properties": {
                "message": _TEXT | {"description": "What happened."},
                "cure": _TEXT | {"description": "What to do next; may be empty."},
            },
        }
    },
}
_PHOTO = {
    "id": _TEXT,
    "library": _TEXT,
    "relative_path": _TEXT | {"description": "From the library's folder, with / between."},
    "taken": {"type": ["string", "null"], "description": "Local time, ISO 8601."},
    "taken_precision": {
        "type": ["string", "null"],
        "description": "How much of it is known: second, day, month or year.",
    },
    "width": _WHOLE | {"description": "Pixels, upright."},
    "height": _WHOLE,
    "bytes": _WHOLE,
    "format": _TEXT,
    "camera": {"type": ["string", "null"]},
    "lens": {"type": ["string", "null"]},
    "title": {"type": ["string", "null"]},
    "caption": {"type": ["string", "null"]},
    "tags": {"type": "array", "items": _TEXT},
    "rating": {"type": ["integer", "null"], "description": "1 to 5; -1: rejected."},
    "latitude": {"type": ["number", "null"], "description": "Degrees, WGS 84."},
    "longitude": {"type": ["number", "null"]},
    "country": {"type": ["string", "null"], "description": "ISO 3166 alpha-2."},
    "city": {"type": ["string", "null"], "description": "GeoNames' English name."},
    "thumbnail": _TEXT | {"description": "Its address; ?size=240, 480, 1280 or 2560."},
}
_HIT = {
    "rank": {"type": "integer", "minimum": 1, "description": "Counted over all pages."},
    "score": {"type": ["number", "null"], "description": "Cosine; higher is better."},
    "missing": {"type": "boolean", "description": "Its file is gone from its place."},
    "fits": {
        "type": ["boolean", "null"],
        "description": "Whether it answers the question, or is only nearest; null: not known.",
    },
    "box": {
        "type": ["array", "null"],
        "items": _WHOLE,
        "minItems": 4,
        "maxItems": 4,
        "description": "The part that was found: left, top, width, height in upright pixels.",
    },
    "page": {
        "type": ["integer", "null"],
        "minimum": 1,
        "description": "The page that was found, in a file of several; a thumbnail takes ?page=7.",
    },
    "line": {
        "type": ["string", "null"],
        "description": "The text that was read there, where it has the words.",
    },
    "moment": {
        "type": ["number", "null"],
        "minimum": 0,
        "description": "Of a film, what was found: seconds; a thumbnail takes ?moment=83.2.",
    },
    "why": {
        "type": "array",
        "items": {"type": "string", "enum": ["fit", *FIELDS]},
        "description": "fit: by its score; else where all the words are.",
    },
    "surprise": {
        "type": ["number", "null"],
        "description": "0 to 1: how likely no photo would score as high by chance. Null: not known,"
        " or it fits for another reason.",
    },
} | _PHOTO
_RESULTS = {
    "question": _TEXT | {"description": "The query part of the address that asks the same."},
    "fitting": {
        "type": ["integer", "null"],
        "description": "Hits that fit, up to this page's end; null: unknown.",
    },
    "some_words": {
        "type": ["integer", "null"],
        "description": "Of match alone: photos with only some of the words; null: unknown.",
    },
    "nowhere": {
        "type": "array",
        "items": _TEXT,
        "description": "Words of match that no photo has, where none has all of them.",
    },
    "hits": {"type": "array", "items": {"$ref": "#/components/schemas/Hit"}},
}
_STATUS = {
    "photos": _WHOLE,
    "bytes": _WHOLE | {"description": "That the index takes on disk."},
    "libraries": {"type": "object", "additionalProperties": _WHOLE},
    "image_model": {"type": ["string", "null"]},
    "text_model": {"type": ["string", "null"]},
    "dims": {"type": ["integer", "null"]},
    "last_ingest": {"anyOf": [{"$ref": "#/components/schemas/Ingest"}, {"type": "null"}]},
}
_CHOICE = {
    "value": _TEXT,
    "count": _WHOLE | {"description": "Photos that have it, beside the filter of other facets."},
    "chosen": {"type": "boolean", "description": "The question asks for it."},
    "question": _TEXT | {"description": "The question with it; without it where it is chosen."},
}
_GROUP = {
    "count": _WHOLE | {"description": "How many copies there are."},
    "saved_bytes": _WHOLE | {"description": "That all but the largest take."},
    "one_file": {"type": "boolean", "description": "All have the same bytes."},
    "differences": {
        "type": "array",
        "items": {"type": "string", "enum": list(DIFFERENCES)},
        "description": "What is not the same in all.",
    },
    "photos": {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Photo"},
        "description": "The largest first; 50 at most.",
    },
}
_DUPLICATES = {
    "question": _TEXT | {"description": "The query part of the address that asks the same."},
    "photos": _WHOLE | {"description": "How many were compared."},
    "unseen": _WHOLE | {"description": "Of them, how many by their bytes alone."},
    "pictures": _WHOLE | {"description": "That have copies: groups on all pages."},
    "copies": _WHOLE | {"description": "Besides the largest of each group."},
    "saved_bytes": _WHOLE | {"description": "That these copies take."},
    "groups": {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Group"},
        "description": "Those first that could save most.",
    },
}
_ID = {"name": "id", "in": "path", "required": True, "schema": _TEXT, "description": "A photo's."}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _skipped() -> dict[str, Any]:
    return {"type": "array", "items": _object({"path": _TEXT, "reason": _TEXT, "detail": _TEXT})}


def _facets() -> dict[str, Any]:
    values = {"type": "array", "items": {"$ref": "#/components/schemas/Choice"}}
    return {
        "question": _TEXT | {"description": "The query part of the address."},
        "photos": _WHOLE | {"description": "Under the whole filter."},
        "facets": _object(dict.fromkeys(FACETS, values)),
    }


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


_PAGE = [
    _parameter("k", _WHOLE | {"minimum": 1, "maximum": 500, "default": 10}, "How many hits."),
    _parameter("offset", _WHOLE | {"maximum": 5000, "default": 0}, "How many to pass over."),
    _parameter("order", {"enum": list(ORDERS), "default": "fit"}, "By fit or by date."),
    _parameter("match", _TEXT, "Words in names, captions, tags or places, alone or beside."),
    _parameter("any_word", {"type": "boolean"}, "Of match alone: some of its words are enough."),
    _parameter("min_score", {"type": "number"}, "Leave out hits below this cosine."),
    _parameter("only_fitting", {"type": "boolean"}, "Leave out what does not fit, but is nearest."),
    _parameter("fold", {"type": "boolean", "default": True}, "Copies of a picture as one hit."),
    _parameter("exclude", _TEXTS, "Ids of photos that are left out."),
]
_DAY = {"type": "string", "format": "date"}
_POSITIVE = {"type": "number", "minimum": 0}
_FILTER = [
    _parameter("under", _TEXTS, "Folders of libraries, each LIBRARY/FOLDER."),
    _parameter("not_under", _TEXTS, "Folders that are left out."),
    _parameter("taken_from", _DAY, "The first day."),
    _parameter("taken_to", _DAY, "The last day."),
    _parameter("undated", {"type": "boolean"}, "Photos without a date alone."),
    _parameter("country", _TEXT, "ISO 3166 alpha-2."),
    _parameter("city", _TEXT, "Its English name in GeoNames."),
    _parameter("near", _TEXT, "Latitude, longitude (degrees) and kilometres: 43.8,11.3,10."),
    _parameter("camera", _TEXTS, "Parts of make and model."),
    _parameter("lens", _TEXTS, "Parts of its name."),
    _parameter("format", _TEXTS, "Such as JPEG."),
    _parameter("orientation", {"enum": list(ORIENTATIONS)}, "The shape."),
    _parameter("min_megapixels", _POSITIVE, "At least."),
    _parameter("max_megapixels", _POSITIVE, "At most."),
    _parameter("tags", _TEXTS, "All of them."),
    _parameter("min_rating", {"type": "integer", "minimum": 1, "maximum": 5}, "Stars."),
]
_WEIGHT = "Repeatable. A weight may stand in the name: {0}*2=… for more of it, {0}*-0.5=… for less."
_BOX = " A part alone, in pixels: {0}@LEFT,TOP,WIDTH,HEIGHT=…"
_TERMS = [
    _parameter("q", _TEXTS, "Words, in any language. " + _WEIGHT.format("q")),
    _parameter("pic", _TEXTS, "Names of uploads. " + (_WEIGHT + _BOX).format("pic")),
    _parameter("id", _TEXTS, "Ids of photos in the index. " + (_WEIGHT + _BOX).format("id")),
]


def _json(schema: str, description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _operation(
    name: str, summary: str, answers: dict[str, Any], *parameters: dict[str, Any], **others: Any
) -> dict[str, Any]:
    answers = answers | {"default": _json("Error", "What went wrong, and what to do.")}
    found = {"operationId": name, "summary": summary, "responses": answers} | others
    return found | ({"parameters": list(parameters)} if parameters else {})


_BYTES = {"schema": {"type": "string", "format": "binary"}}
_PICTURES = ("application/octet-stream", "image/jpeg", "image/png", "image/webp")
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": _BYTES["schema"]},
    "description": "One file, in a field of any name.",
}
_BOXED = {"type": "string", "pattern": r"^[0-9]{1,9}(,[0-9]{1,9}){3}$"}
_THUMBNAIL = [
    _parameter("size", {"type": "integer", "minimum": 1}, "Pixels of the longer side, at most."),
    _parameter("box", _BOXED, "Left, top, width, height: a frame around that part."),
    _parameter("page", {"type": "integer", "minimum": 1, "maximum": 9_999_999}, "Of a file."),
    _parameter("moment", {"type": "number", "minimum": 0}, "Of a film: seconds."),
    _parameter("v", _TEXT, "Any word: the answer may be kept for a year."),
]


def _asking() -> dict[str, Any]:
    results = {"200": _json("Results", "Best first.")}
    counts = {"200": _json("Facets", "Counts of each value.")}
    search = _operation(
        "search", "Photos that answer a question.", results, *_TERMS, *_FILTER, *_PAGE
    )
    similar = _operation("similar", "Photos that look like one.", results, _ID, *_FILTER, *_PAGE)
    facets = _operation("facets", "What photos have in common.", counts, *_TERMS, *_FILTER, *_PAGE)
    found = {"200": _json("Duplicates", "Groups of copies.")}
    duplicates = _operation(
        "duplicates", "Copies of one picture, in groups.", found, *_FILTER, *_GROUPS
    )
    return {
        "/search": {"get": search},
        "/similar/{id}": {"get": similar},
        "/facets": {"get": facets},
        "/duplicates": {"get": duplicates},
    }


_GROUPS = [
    _parameter("k", _WHOLE | {"minimum": 1, "maximum": 100, "default": 20}, "How many groups."),
    _parameter("offset", _WHOLE | {"default": 0}, "How many to pass over."),
    _parameter(
        "threshold",
        {"type": "number", "minimum": 0, "maximum": 1, "default": LEAST_COSINE},
        "How alike two copies are: the cosine of their vectors.",
    ),
]


def _others() -> dict[str, Any]:
    thumbnail = {"200": {"description": "WebP.", "content": {"image/webp": _BYTES}}}
    content: dict[str, Any] = dict.fromkeys(_PICTURES, _BYTES)
    content["multipart/form-data"] = {"schema": _FORM}
    picture = {"required": True, "content": content}
    named = {"201": _json("Upload", "Its name: pic=NAME asks for photos like it.")}
    one = {"200": _json("Photo", "The photo.")}
    status = {"200": _json("Status", "Of the index.")}
    return {
        "/photos/{id}": {"get": _operation("photo", "What is known of a photo.", one, _ID)},
        "/thumbnails/{id}": {
            "get": _operation("thumbnail", "A small picture.", thumbnail, _ID, *_THUMBNAIL)
        },
        "/uploads": {
            "post": _operation("upload", "Shows a picture to the page.", named, requestBody=picture)
        },
        "/status": {"get": _operation("status", "What is in the index.", status)},
    }


_SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "The password, or the token in the address that serve prints.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "What a browser gets when it signs in.",
    },
}


def parameters(path: str, method: str) -> list[str]:
    """The names of what the query part of an operation's address may have."""
    operation = (_asking() | _others())[path][method.lower()]
    return [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]


def document() -> dict[str, Any]:
    from imgsearch import __version__

    schemas = {
        "Photo": _object(_PHOTO),
        "Hit": _object(_HIT),
        "Results": _object(_RESULTS),
        "Choice": _object(_CHOICE),
        "Facets": _object(_facets()),
        "Group": _object(_GROUP),
        "Duplicates": _object(_DUPLICATES),
        "Status": _object(_STATUS),
        "Ingest": _object({"finished": _TEXT, "skipped": _skipped()}),
        "Upload": _object({"name": _TEXT}),
        "Error": _ERROR,
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "imgsearch", "version": __version__},
        "servers": [{"url": "/api/v1"}],
        "paths": _asking() | _others(),
        "security": [{}, *({name: []} for name in _SECURITY)],  # {}: on this machine, by default
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }
