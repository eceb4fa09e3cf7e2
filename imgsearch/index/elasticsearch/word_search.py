"""Words of names, captions, tags and places, and of text that was read in photos: as a document
keeps them, and as clauses that find them. The fields `words` and `line_words` hold tokens of
`imgsearch.word_splitting`; in an index that has no `words`, such as another program's, names and
captions are asked for themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from imgsearch.index.base import Record
from imgsearch.index.elasticsearch.bulk import Operation
from imgsearch.index.elasticsearch.client import encode
from imgsearch.index.elasticsearch.documents import words_of
from imgsearch.index.elasticsearch.filters import Clause, Fields, any_of
from imgsearch.index.elasticsearch.requests import LINE_WORDS, LINES, WORDS, WORDS_MARK
from imgsearch.word_splitting import VERSION, Phrase, Wanted

if TYPE_CHECKING:
    from imgsearch.index.elasticsearch.current_index import LiveIndex

UNKNOWN: Clause = {"bool": {"must_not": [{"term": {WORDS_MARK: VERSION}}]}}


def having_all(wanted: Wanted, fields: Fields) -> Clause:
    """Documents with each of the words; of an index without the field `words`, more than these."""
    return {
        "bool": {"filter": [any_of(list(_clauses(phrases, fields))) for phrases in wanted.words]}
    }


def having_any(wanted: Wanted, fields: Fields) -> Clause:
    """Documents with some of the words; those with all of them score highest."""
    some: list[Clause]
    if _has_words(fields):
        some = [{"match": {name: " ".join(wanted.tokens)}} for name in _of_words(fields)]
    else:
        phrases = [*(each for word in wanted.words for each in word)]
        some = [*_clauses([*phrases, *((token,) for token in wanted.tokens)], fields)]
    every = {"constant_score": {"filter": having_all(wanted, fields), "boost": 1e6}}
    return {"bool": {"must": [any_of(some)], "should": [every]}}


def _has_words(fields: Fields) -> bool:
    return fields.kinds.get(WORDS) == "text"


def _of_words(fields: Fields) -> list[str]:
    """The fields that hold tokens. Without `lines`, `line_words` is another program's."""
    read = fields.kinds.get(LINE_WORDS) == "text" and fields.kinds.get(LINES) == "object"
    return [WORDS, LINE_WORDS] if read else [WORDS]


def _clauses(phrases: Iterable[Phrase], fields: Fields) -> Iterator[Clause]:
    for phrase in phrases:
        if _has_words(fields):
            yield from ({"match_phrase": {name: " ".join(phrase)}} for name in _of_words(fields))
            continue
        for name in ("image_name", "relative_path", "title", "caption"):
            kind = fields.kinds.get(name)
            if kind == "text":
                yield {"match_phrase": {name: " ".join(phrase)}}
            elif kind == "keyword":
                anywhere = f"*{'*'.join(phrase)}*"  # tokens hold no wildcard
                yield {"wildcard": {name: {"value": anywhere, "case_insensitive": True}}}
        if fields.kinds.get("tags") == "keyword":
            yield {"term": {"tags": " ".join(phrase)}}
    if not fields.kinds:
        yield {"match_none": {}}


def give(index: LiveIndex) -> None:
    """Their words to photos of a version before."""
    for records in index.reader.without_words():
        index.writer.write(map(_update, records))
        index.written = True
    index.refresh()


def _update(record: Record) -> Operation:
    action = {"update": {"_id": record.id, "retry_on_conflict": 3}}
    return Operation(record.id, encode(action, {"doc": words_of(record)}))
