"""Photos by date, and counts of what they have in common: `Index.browse` and `Index.facets`, as
request bodies and what their answers say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from imgsearch.index.base import FACET_VALUES, BrowseOrder, Facet, Record
from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.documents import is_text
from imgsearch.index.elasticsearch.filters import DATE, Fields
from imgsearch.index.elasticsearch.requests import MOST, RECORDS_AT_A_TIME, WITHOUT_VECTORS
from imgsearch.question import Filter

if TYPE_CHECKING:
    from imgsearch.index.elasticsearch.reader import Reader


_TERMS: Mapping[Facet, str] = {
    name: name for name in ("country", "city", "camera", "folder", "format", "orientation")
}
_SPANS: Mapping[Facet, str] = {"year": "yyyy", "month": "yyyy-MM"}


def in_order(
    reader: Reader, where: Filter, order: BrowseOrder, k: int, offset: int
) -> list[Record]:
    """Records by date, by `search_after`: a server returns at most `MOST` hits by offset."""
    found: list[Record] = []
    after = None
    while len(found) < k:
        passing = offset > 0
        size = min(MOST, offset) if passing else min(RECORDS_AT_A_TIME, k - len(found))
        body: dict[str, Any] = {
            "size": size,
            "sort": sort(order, reader.fields),
            "query": reader.query(where),
            "track_total_hits": False,
            "_source": False if passing else WITHOUT_VECTORS["_source"],
        }
        if after is not None:
            body["search_after"] = after
        hits = answers.hits(reader.place, reader.call("POST", "/_search", body))
        if passing:
            offset -= size
        else:
            found += [reader.record(hit) for hit in hits]
        if len(hits) < size:
            break
        after = hits[-1].get("sort")
    return found


def facets(
    reader: Reader, where: Filter, names: Collection[Facet]
) -> dict[Facet, list[tuple[str, int]]]:
    asked = aggregations(names, reader.fields)
    answer: Any = {}
    if asked:
        body = {"size": 0, "track_total_hits": False, "query": reader.query(where), "aggs": asked}
        answer = reader.call("POST", "/_search", body)
    return {name: counts(reader.place, answer, name) for name in names}


def sort(order: BrowseOrder, fields: Fields) -> list[dict[str, Any]]:
    """A search's `sort`: by date, with undated photos last, then by id, then by a key that is
    unique to each document."""
    direction = "desc" if order == "newest" else "asc"
    keys: list[dict[str, Any]] = []
    if fields.can_be(DATE, "date"):
        keys.append({DATE: {"order": direction, "missing": "_last", "unmapped_type": "date"}})
    if fields.can_be("image_id", "keyword"):
        keys.append({"image_id": {"order": "asc", "unmapped_type": "keyword"}})
    return [*keys, {"_seq_no": {"order": "asc"}}]


def aggregations(names: Collection[Facet], fields: Fields) -> dict[str, Any]:
    """The aggregations that count these facets, as far as the index has the fields for them."""
    asked: dict[str, Any] = {}
    for name in names:
        if name in _TERMS and fields.can_be(name, "keyword"):
            asked[name] = {"terms": {"field": name, "size": FACET_VALUES}}
        elif name in _SPANS and fields.can_be(DATE, "date"):
            asked[name] = _by_time(name, fields)
    return asked


def _by_time(name: Facet, fields: Fields) -> dict[str, Any]:
    """A photo of which the year alone is known belongs to no month."""
    histogram = {
        "field": DATE,
        "calendar_interval": name,
        "format": _SPANS[name],
        "min_doc_count": 1,
        "order": {"_key": "desc"},
    }
    only_a_year = []
    if name == "month" and fields.can_be("date_precision", "keyword"):
        only_a_year.append({"term": {"date_precision": "year"}})
    known = {"bool": {"must_not": only_a_year}}
    return {"filter": known, "aggs": {"spans": {"date_histogram": histogram}}}


def counts(place: str, answer: Any, name: Facet) -> list[tuple[str, int]]:
    """The values of one facet, as `Index.facets` has them."""
    found = answers.at(answer, "aggregations", name)
    if found is None:
        return []
    if name in _SPANS:
        found = answers.at(found, "spans")
        key = "key_as_string"
    else:
        key = "key"
    values = [
        (answers.text(place, bucket, key), answers.integer(place, bucket, "doc_count"))
        for bucket in answers.objects(place, found, "buckets")
    ]
    return [(value, count) for value, count in values if is_text(value, 8000)][:FACET_VALUES]
