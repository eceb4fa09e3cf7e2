"""From a question to hits: by words, by a picture, by a photo that is in the index. Knows encoders
and the index protocol; never a backend, a setting or a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from imgsearch.copies import folding
from imgsearch.errors import Action, Advice, IndexNotFound, PhotoError, TooFewPhotos
from imgsearch.escaping import shown
from imgsearch.index.base import Index, Near, Wanted
from imgsearch.index.word_matches import Texts
from imgsearch.models.base import ImageEncoder, Vector, Vectors, unit
from imgsearch.question import Box, Filter, Order, Question, Term
from imgsearch.results import Hit, Results
from imgsearch.roots import Roots, locations
from imgsearch.search import combined_terms, cut_off, question_checks, words_alone
from imgsearch.search.cut_off import Chance
from imgsearch.search.ranking import RANKED, Found, copies_from, fused
from imgsearch.search.words_alone import texts_of

BY_DATE = 100  # photos: so many of the nearest are brought into the order of their dates
# neighbours that a mixture asks for at least: its best photos are harder to find than those of one
# term, and an index looks the further the more are wanted (a million rows: recall@10 .981, .99)
MIXED = 24
_WHOLE = 1 << 20  # pixels, wider than any picture: it is decoded as large as it is


class Encodes(Protocol):
    """Makes vectors of what is asked: a `Library`."""

    def embed_text(self, words: str) -> Vector: ...

    def embed_picture(self, path: str, box: Box | None = None) -> Vector: ...

    def embed_part(self, id: str, box: Box) -> Vector:
        """The vector of a part of a photo in the index."""
        ...

    def stored(self, id: str) -> Vector | None:
        """The vector of a photo in the index; None where it is missing."""
        ...

    def search_text(self, words: str, k: int, where: Filter, wanted: Wanted | None) -> Near | None:
        """Search for words in one request, where the index makes the vector itself; else None."""
        ...

    def sample(self, needed: bool = True) -> Vectors | None:
        """Some of the index's vectors (n, dims), by which terms are weighed and scores are judged.
        None where it is not `needed`, and would first have to be fetched from far away."""
        ...


def ask(index: Index, roots: Roots, encodes: Encodes, question: Question) -> Results:
    """The photos that answer a question, best first, or in the order of their dates. Raises
    UsageError where nothing is asked for or its terms cancel each other, IndexNotFound on an empty
    index, before any model; TooFewPhotos, PhotoError, ModelError."""
    question_checks.check(question)
    check_not_empty(index)
    chance, some_words = None, None
    if question.terms:
        found, chance = _nearest(index, encodes, question)
    elif question.match:
        k = max(BY_DATE, question.k) if question.order != "fit" else question.offset + question.k
        found, some_words = words_alone.find(index, question, k)
    else:
        found = _browsed(index, question)
    if not found and not index.count():
        raise _nothing_in(index)
    near = list(_presentable(found, question.min_score))
    if (question.terms or question.match) and question.order != "fit":
        near = by_date(near, question.order)
    groups = folding.folded(near, index.vectors) if question.fold else [[one] for one in near]
    hits = [_hit(rank, group, roots, chance) for rank, group in enumerate(groups, start=1)]
    page = slice(question.offset, question.offset + question.k)
    known = all(hit.fits is not None for hit in hits)
    fitting_hits = sum(bool(hit.fits) for hit in hits[: page.stop]) if known and hits else None
    if any(hit.fits for hit in hits[page.stop :]):
        some_words = None  # those with all the words go on
    found_hits = tuple(hits[page])
    return Results(question=question, hits=found_hits, fitting=fitting_hits, some_words=some_words)


def _wanted(question: Question) -> Wanted | None:
    """The words that are looked for in names, captions and tags: those that are given, else the
    question's own, where it is nothing but words."""
    terms = question.terms
    plain = len(terms) == 1 and terms[0].weight > 0 and not question.exclude
    words = question.match
    if words is None:
        words = (terms[0].words or "") if plain else ""
    wanted = Wanted(words)
    return wanted if wanted.words else None


def _nearest(
    index: Index, encodes: Encodes, question: Question
) -> tuple[list[Found], Chance | None]:
    """The nearest photos, and those that have the words, as many as the question's pages go; and
    how high scores come by chance, where that can be told."""
    k, where, terms = question.offset + question.k, question.filter, question.terms
    if question.order != "fit":
        k = max(BY_DATE, question.k)
    exclude = {*question.exclude, *(term.photo for term in terms if term.photo is not None)}
    wanted = _wanted(question)
    one = terms[0].words if len(terms) == 1 and terms[0].weight > 0 else None
    plain = one is not None and not exclude and not question.only_fitting
    # the vector itself is wanted where it can be judged by the index's sample
    if one is not None and plain and not _judged(index, encodes):
        answered = _inside(index, encodes, question, one, k)
        if answered is not None:
            return answered, None
    vector = _vector(index, encodes, terms)
    chance: Chance | None = None

    def search(k: int) -> list[Found]:
        nonlocal chance
        depth = max(_depth(k, wanted), MIXED if len(terms) > 1 else 0)
        near = index.search_words(vector, depth, wanted or Wanted(""), where, exclude)
        sample = encodes.sample(needed=question.only_fitting) if near.neighbours else None
        if sample is not None:
            photos = index.count(where) if near.photos is None else near.photos
            chance = cut_off.chance(unit(vector), sample, photos)
        return fused(near, wanted, chance, _texts_in(index, near), copies_from(terms))[:k]

    found = folding.distinct(search, k, index.vectors) if question.fold else search(k)
    if not question.only_fitting:
        return found, chance
    if found and chance is None and not any(one.fits for one in found):
        raise TooFewPhotos(
            "So few photos are in the index that what fits cannot be told from what is only"
            " nearest.",
            "Ask for the nearest, or cut off at a cosine.",
            Action("cut off"),
        )
    return [one for one in found if one.fits], chance


def _judged(index: Index, encodes: Encodes) -> bool:
    """Whether a question's vector is wanted here, though the index could make it and search at
    once: to tell what fits, its scores over the index's sample are needed."""
    made_there = index.capabilities.text_models is not None
    return not made_there or encodes.sample(needed=False) is not None


def _inside(
    index: Index, encodes: Encodes, question: Question, words: str, k: int
) -> list[Found] | None:
    """The nearest to words, where the index itself makes their vector; else None."""
    wanted = _wanted(question)

    def search(k: int) -> list[Found] | None:
        near = encodes.search_text(words, _depth(k, wanted), question.filter, wanted)
        return None if near is None else fused(near, wanted, None, _texts_in(index, near))[:k]

    return folding.distinct(search, k, index.vectors) if question.fold else search(k)


def _texts_in(index: Index, near: Near) -> Texts:
    """What was read in the photos with the words."""
    return texts_of(index, near.records_named) if near.texts is None else near.texts


def _depth(k: int, wanted: Wanted | None) -> int:
    """How many neighbours are asked for, so that the first k stay the same on every page."""
    return k if wanted is None else max(k, RANKED)


def _browsed(index: Index, question: Question) -> list[Found]:
    """Photos by date, without those that are excluded."""
    order = question.order if question.order != "fit" else "newest"

    def browse(k: int) -> list[Found]:
        records = index.browse(question.filter, order, k)
        return [Found(record) for record in records]

    k = question.offset + question.k + len(question.exclude)
    found = folding.distinct(browse, k, index.vectors) if question.fold else browse(k)
    return [one for one in found if one.record.id not in question.exclude]


def by_date(found: Sequence[Found], order: Order) -> list[Found]:
    """As `Index.browse` has them: photos without a date last, whatever the order."""
    dated = [one for one in found if one.record.taken]
    dated.sort(key=lambda one: one.record.id)
    dated.sort(key=lambda one: one.record.taken or "", reverse=order == "newest")
    undated = sorted((one for one in found if not one.record.taken), key=lambda one: one.record.id)
    return [*dated, *undated]


def _vector(index: Index, encodes: Encodes, terms: Sequence[Term]) -> Vector:
    vectors = [_vector_of(index, encodes, term) for term in terms]
    if len(terms) == 1:
        return vectors[0] if terms[0].weight > 0 else -vectors[0]
    sample = encodes.sample()
    assert sample is not None
    return combined_terms.combined(vectors, [term.weight for term in terms], sample)


def _vector_of(index: Index, encodes: Encodes, term: Term) -> Vector:
    if term.words is not None:
        return encodes.embed_text(term.words)
    if term.picture is not None:
        return encodes.embed_picture(term.picture, term.box)
    assert term.photo is not None
    if term.box is not None:
        return encodes.embed_part(term.photo, term.box)
    return _stored_vector(index, encodes, term.photo)


def _stored_vector(index: Index, encodes: Encodes, id: str) -> Vector:
    """The vector of a photo in the index. No model is needed."""
    vector = encodes.stored(id)
    if vector is None:
        record = index.records([id]).get(id)
        if record is None:
            raise no_such_photo(id, index.place)
        raise PhotoError(
            f"The vector of {record.relative_path} in {index.place} is missing or damaged.",
            "Ingest its folder again, which embeds it anew; or show the file itself.",
        )
    return vector


def no_such_photo(id: str, place: str) -> PhotoError:
    """The error for an id that no photo has, to be raised."""
    return PhotoError(
        f"There is no photo with the id {shown(id)} in {place}.", "Copy an id from a result."
    )


def embed_picture(
    source: str | bytes,
    name: str,
    encoder: ImageEncoder,
    max_megapixels: float,
    box: Box | None = None,
) -> Vector:
    """Of a file's path or bytes; `box`: of that part of it. Raises PhotoError, which shows `name`,
    with the reason for what cannot be decoded."""
    from imgsearch.photos import decode

    target = encoder.image_size if box is None else _WHOLE
    try:
        decoded = decode.decode(source, target=target, max_megapixels=max_megapixels)
    except decode.Undecodable as error:
        action = error.detail.action if isinstance(error.detail, Advice) else None
        raise PhotoError(
            f"{shown(name)}: {error.reason.value} ({error.detail}).",
            "Show another picture, or raise the limit" if action else "Show another picture.",
            action,
        ) from None
    image = decoded.image
    if box is not None:
        left, top, width, height = box
        right, bottom = min(left + width, image.width), min(top + height, image.height)
        if left >= right or top >= bottom:
            raise PhotoError(
                f"{shown(name)}: the chosen part lies outside of its {image.width} x"
                f" {image.height} pixels.",
                "Choose a part inside of the picture.",
            )
        image = image.crop((left, top, right, bottom))
    vector: Vector = encoder.encode(encoder.prepare(image))[0]
    return vector


def check_not_empty(index: Index) -> None:
    """Raises IndexNotFound. A cluster's index that is only empty by now passes, and is found out by
    the search, which saves a request."""
    if index.models() is None and not index.count():
        raise _nothing_in(index)


def _nothing_in(index: Index) -> IndexNotFound:
    return IndexNotFound(
        f"Nothing has been ingested into {index.place} yet.",
        "Ingest a folder of pictures first.",
        Action("ingest", {"folder": "./photos"}),
    )


def _presentable(found: Sequence[Found], min_score: float | None) -> Iterator[Found]:
    """Near enough, and with a path that can be one."""
    for one in found:
        record = one.record
        near = min_score is None or one.score is None or one.score >= min_score
        if near and locations.relative_bytes(record.relative_path, record.path_escaped) is not None:
            yield one


def _hit(rank: int, group: Sequence[Found], roots: Roots, chance: Chance | None) -> Hit:
    """A hit of a group: a photo and its copies, of which the largest that is there stands for all,
    among those that have the words which the first was found by. The score is that of the first."""
    one = group[0]
    words = set(one.why) - {"fit"}
    alike = [each.record for each in group if words <= set(each.why)]
    if one.part is not None and one.part.box is None:  # another file may not have that page
        alike = [record for record in alike if record.content_hash == one.record.content_hash]
    record, found = folding.largest(alike, roots)
    return Hit(
        rank=rank,
        score=one.score,
        record=record,
        raw_path=found.path,
        missing=found.missing,
        refusal=found.refusal,
        surprise=None if chance is None else _surprise(one, chance),
        why=one.why,
        fits=one.fits,
        copies=len(group) - 1,
        part=None if one.part is None else one.part.on(one.record, record),
        line=one.line,
    )


def _surprise(one: Found, chance: Chance) -> float | None:
    """How surprising its cosine is; None where it fits for another reason than that."""
    if one.score is None:
        return None
    surprise = chance.surprise(one.score)
    return None if one.fits and surprise < cut_off.LEAST_SURPRISE else surprise
