"""What every index backend keeps to. `tests/test_index_contract.py` runs it on each of them: a
backend adds a fixture `index_factory` there, and nothing here.

`index_factory(name="photos")` opens an index of that name, made where it does not exist yet; the
same name opens the same index again, as another process would. The fixture closes them all."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
import pytest

from imgsearch.errors import IndexContradiction, IndexLocked
from imgsearch.index.base import ALL, FACETS, Filter, Index, Look, Record, Row
from imgsearch.models.base import ModelIdentity, ModelPair, Vector, unit
from tests.filter_contract import FilterContract, album
from tests.words_contract import WordsContract, described

IndexFactory = Callable[..., Index]

DIMS = 32
MODELS = ModelPair(ModelIdentity("picture model", "a1"), ModelIdentity("text model", "b2"), DIMS)
OTHER_MODELS = ModelPair(ModelIdentity("other", "c3"), ModelIdentity("other", "c3"), DIMS)


def vector(seed: int, dims: int = DIMS) -> Vector:
    return unit(np.random.default_rng(seed).standard_normal(dims))


def towards(one: Vector, other: Vector, share: float) -> Vector:
    return unit((1 - share) * one + share * other)


def record(path: str, library: str = "holiday", **changes: object) -> Record:
    digest = hashlib.blake2b(f"{library}\0{path}".encode(), digest_size=16).hexdigest()
    plain = Record(
        id=digest,
        library=library,
        relative_path=path,
        size=1000,
        mtime_ns=1_700_000_000_123_456_789,
        content_hash=hashlib.sha256(path.encode()).hexdigest(),
        format="JPEG",
        width=4000,
        height=3000,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def row(path: str, seed: int, library: str = "holiday", **changes: object) -> Row:
    return Row(record(path, library, **changes), vector(seed))


def filled(index_factory: IndexFactory, rows: Sequence[Row], name: str = "photos") -> Index:
    index = index_factory(name)
    index.stamp(MODELS)
    assert index.write(rows) == []
    index.finish()
    return index


def paths(hits: Sequence[object]) -> list[str]:
    return [hit.record.relative_path for hit in hits]  # type: ignore[attr-defined]


class IndexContract(FilterContract, WordsContract):
    @pytest.fixture
    def album_rows(self) -> list[Row]:
        return album(400, record)

    @pytest.fixture
    def described_rows(self) -> list[Row]:
        return described(150, record)

    @pytest.fixture
    def filled_album(self, index_factory: IndexFactory) -> Callable[[Sequence[Row]], Index]:
        return lambda rows: filled(index_factory, rows)

    # rules

    def test_rules_are_kept_and_none_is_lost(self, index_factory: IndexFactory) -> None:
        index = index_factory()
        assert index.rules.read() is None
        seen = []

        def first(kept: object) -> object:
            seen.append(kept)
            if len(seen) == 1 and index.capabilities.distant:  # another machine is faster
                index_factory("photos").rules.change(lambda kept: {"other": 1})
            return {**(kept or {}), "mine": ["é", 2]}  # type: ignore[dict-item]

        index.rules.change(first)
        expected: dict[str, object] = {"mine": ["é", 2]}
        if index.capabilities.distant:
            expected["other"] = 1
            assert seen == [None, {"other": 1}]
        again = index_factory("photos")
        assert again.rules.read() == expected
        again.rules.change(lambda kept: {**kept, "mine": None})
        assert index.rules.read() == {**expected, "mine": None}

    # empty

    def test_an_empty_index_finds_nothing_and_says_so(self, index_factory: IndexFactory) -> None:
        index = index_factory()
        assert index.models() is None
        assert index.count() == 0
        assert index.search(vector(1), 5) == []
        assert list(index.rows()) == list(index.ids()) == list(index.fingerprints()) == []
        assert index.libraries() == {}
        assert index.browse(ALL, "newest", 5) == []
        assert index.facets(ALL, FACETS) == {name: [] for name in FACETS}
        info = index.info()
        assert (info.models, info.photos, info.last_ingest) == (None, 0, None)

    # writing and reading

    def test_a_record_comes_back_as_it_was(self, index_factory: IndexFactory) -> None:
        full = record(
            "Zürich/été #1 %41.heic",
            path_escaped=True,
            taken="2024-05-01T12:30:00",
            taken_offset="+02:00",
            latitude=47.3768866,
            longitude=-8.541694,
            camera="Canon EOS R5",
            lens="RF 24-70mm F2.8",
            format="HEIF",
            size=2**40,
            taken_precision="second",
            taken_source="exif",
            title='A "title"',
            caption="Ein langer Abend — 東京",
            tags=("Straße", "a, b", "ÉTÉ"),
            rating=-1,
            country="CH",
            city="Zürich",
            metadata_mark=2**63 - 1,
            perceptual_hash="0f" * 32,
        )
        edge = record("edge.jpg", latitude=-90.0, longitude=180.0)  # of what is a coordinate
        bare = record("bare.jpg")
        rows = [Row(each, vector(n)) for n, each in enumerate((full, edge, bare))]
        index = filled(index_factory, rows)
        assert index.records([full.id, edge.id, bare.id, record("no.jpg").id]) == {
            full.id: full,
            edge.id: edge,
            bare.id: bare,
        }
        assert index.records(["not an id", ""]) == {}

    def test_looks_are_those_of_the_records(self, index_factory: IndexFactory) -> None:
        rows = [
            row("a.jpg", 1, perceptual_hash="0f" * 32, taken="2024-05-01T12:30:00"),
            row("b/c.jpg", 2, taken="2019-01-01T00:00:00", taken_precision="year"),
            row("d.jpg", 3, "other", width=0, height=0, size=2**40, taken_source="name"),
        ]
        index = filled(index_factory, rows)
        right = {Look(*(getattr(each.record, name) for name in Look._fields)) for each in rows}
        assert set(index.looks()) == right
        [one] = index.looks(Filter.within("other"))
        assert one.id == rows[2].record.id
        assert list(index_factory("empty").looks()) == []

    def test_unit_vectors_come_back_bit_for_bit(self, index_factory: IndexFactory) -> None:
        rows = [row(f"{n}.jpg", n) for n in range(20)]
        index = filled(index_factory, rows)
        found = index.vectors([each.record.id for each in rows])
        for each in rows:
            stored = found[each.record.id]
            assert stored.dtype == np.float32
            assert each.vector is not None
            assert stored.tobytes() == each.vector.tobytes()

    def test_a_second_write_replaces(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("a.jpg", 1), row("b.jpg", 2)])
        index.write([row("a.jpg", 3, size=5)])
        index.finish()
        assert index.count() == 2
        (best, *_) = index.search(vector(3), 2)
        assert (best.record.relative_path, best.record.size) == ("a.jpg", 5)
        assert best.score == pytest.approx(1, abs=1e-5)
        assert index.search(vector(1), 1)[0].score < 0.9

    def test_no_vector_keeps_the_one_that_is_stored(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("a.jpg", 1)])
        touched = record("a.jpg", mtime_ns=7)
        assert index.write([Row(touched, None)]) == []
        index.finish()
        assert index.records([touched.id])[touched.id].mtime_ns == 7
        assert index.search(vector(1), 1)[0].score == pytest.approx(1, abs=1e-5)

    def test_what_is_refused_is_named_and_the_rest_is_kept(
        self, index_factory: IndexFactory
    ) -> None:
        index = index_factory()
        index.stamp(MODELS)
        unknown = Row(record("unknown.jpg"), None)
        too_long = Row(record("long.jpg"), vector(1) * 2)
        no_number = Row(record("nan.jpg"), np.full(DIMS, np.nan, np.float32))
        other_dims = Row(record("dims.jpg"), vector(1, dims=8))
        failures = index.write([unknown, row("a.jpg", 1), too_long, no_number, other_dims])
        index.finish()
        refused = {each.record.id for each in (unknown, too_long, no_number, other_dims)}
        assert {failure.id for failure in failures} == refused
        assert all(failure.reason for failure in failures)
        assert list(index.ids()) == [record("a.jpg").id]

    def test_a_move_is_one_write(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("old.jpg", 1), row("b.jpg", 2)])
        index.write([Row(record("new.jpg"), vector(1))], delete=[record("old.jpg").id])
        index.finish()
        assert sorted(paths(index.search(vector(1), 5))) == ["b.jpg", "new.jpg"]
        assert index.count() == 2

    def test_deleted_photos_are_gone_from_everything(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row(f"{n}.jpg", n) for n in range(10)])
        gone = record("3.jpg")
        index.write([], delete=[gone.id, record("never.jpg").id])
        index.finish()
        assert index.count() == 9
        assert "3.jpg" not in paths(index.search(vector(3), 10))
        assert index.records([gone.id]) == index.vectors([gone.id]) == {}
        assert index.records_by_hash([gone.content_hash]) == {}
        assert gone.id not in {found.id for found in chain.from_iterable(index.fingerprints())}

    # searching

    def test_scores_are_cosines_best_first(self, index_factory: IndexFactory) -> None:
        rows = [row(f"{n:03}.jpg", n) for n in range(200)]
        index = filled(index_factory, rows)
        question = vector(1000)
        truth = {each.record.id: float(each.vector @ question) for each in rows}  # type: ignore[operator]
        hits = index.search(question, 10)
        assert [hit.record.id for hit in hits] == sorted(truth, key=truth.__getitem__)[:-11:-1]
        for hit in hits:
            assert hit.score == pytest.approx(truth[hit.record.id], abs=1e-4)

    def test_equal_scores_come_in_the_order_of_ids(self, index_factory: IndexFactory) -> None:
        same = [row(f"copy {n}.jpg", 7) for n in range(30)]
        index = filled(index_factory, [*same, *(row(f"{n}.jpg", n) for n in range(20, 60))])
        wanted = sorted(each.record.id for each in same)
        assert [hit.record.id for hit in index.search(vector(7), 30)] == wanted
        assert [hit.record.id for hit in index.search(vector(7), 4)] == wanted[:4]

    def test_more_than_there_are(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row(f"{n}.jpg", n) for n in range(5)])
        assert len(index.search(vector(1), 500)) == 5

    def test_excluded_photos_make_room_for_others(self, index_factory: IndexFactory) -> None:
        near = vector(1)
        rows = [
            Row(record(f"{n:02}.jpg"), towards(near, vector(n + 50), n / 50)) for n in range(30)
        ]
        index = filled(index_factory, rows)
        exclude = {each.record.id for each in rows[:12]}
        assert paths(index.search(near, 3, exclude=exclude)) == ["12.jpg", "13.jpg", "14.jpg"]

    def test_a_folder_is_not_its_namesakes(self, index_factory: IndexFactory) -> None:
        names = ["a/1.jpg", "a/b/2.jpg", "ab/3.jpg", "a.jpg", "A/4.jpg", "a-/5.jpg", "b/a/6.jpg"]
        rows = [row(name, n) for n, name in enumerate(names)]
        rows.append(row("a/1.jpg", 99, library="other"))
        index = filled(index_factory, rows)

        def under(where: Filter) -> set[tuple[str, str]]:
            found = {(hit.record.library, hit.record.relative_path) for hit in _all(index, where)}
            listed = {
                (each.record.library, each.record.relative_path) for each in index.rows(where)
            }
            assert found == listed
            assert len(list(index.ids(where))) == index.count(where) == len(found)
            return found

        in_a = {("holiday", "a/1.jpg"), ("holiday", "a/b/2.jpg")}
        assert under(Filter.within("holiday", "a")) == in_a
        assert under(Filter.within(None, "a")) == {*in_a, ("other", "a/1.jpg")}
        assert under(Filter.within("other")) == {("other", "a/1.jpg")}
        assert under(Filter.within("holiday", "a/b")) == {("holiday", "a/b/2.jpg")}
        assert under(Filter.within("nobody's")) == set()
        assert under(Filter.within("holiday", "nowhere")) == set()
        assert len(under(Filter.within("holiday"))) == len(names)

    def test_folders_with_odd_names(self, index_factory: IndexFactory) -> None:
        names = [
            "50% _off/1.jpg",
            "50x xoff/2.jpg",
            'it\'s "q"/3.jpg',
            "*?[a]/4.jpg",
            "né\nw/5.jpg",
        ]
        index = filled(index_factory, [row(name, n) for n, name in enumerate(names)])
        for name in names:
            assert paths(_all(index, Filter.within("holiday", name.rpartition("/")[0]))) == [name]

    def test_a_filter_costs_no_results(self, index_factory: IndexFactory) -> None:
        """The nearest under a filter lie far down the list of all."""
        near = vector(1)
        crowd = [Row(record(f"in/{n}.jpg"), towards(near, vector(n), 0.3)) for n in range(300)]
        few = [Row(record(f"far/{n}.jpg"), towards(-near, vector(n), 0.3)) for n in range(5)]
        index = filled(index_factory, [*crowd, *few])
        found = index.search(near, 3, Filter.within("holiday", "far"))
        truth = sorted(few, key=lambda each: -float(each.vector @ near))  # type: ignore[operator]
        assert paths(found) == [each.record.relative_path for each in truth[:3]]

    def test_search_sees_what_was_written_by_another(self, index_factory: IndexFactory) -> None:
        reader = filled(index_factory, [row("a.jpg", 1)])
        writer = index_factory()
        for n in range(2, 6):
            writer.write([row(f"{n}.jpg", n)])
            writer.finish()
            assert paths(reader.search(vector(n), 1)) == [f"{n}.jpg"]
        assert reader.count() == 5

    # listing

    def test_rows_come_in_the_order_of_ids(self, index_factory: IndexFactory) -> None:
        rows = [row(f"{n}.jpg", n) for n in range(1200)]
        index = filled(index_factory, rows)
        found = list(index.rows())
        assert [each.record for each in found] == sorted(
            (each.record for each in rows), key=lambda each: each.id
        )
        by_id = {each.record.id: each.vector for each in rows}
        assert all(np.array_equal(each.vector, by_id[each.record.id]) for each in found)  # type: ignore[arg-type]

    def test_listings_stay_whole_while_rows_are_written(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row(f"{n}.jpg", n) for n in range(1200)])
        fingerprints, rows = chain.from_iterable(index.fingerprints()), index.rows()
        first, begun = next(fingerprints), next(rows)
        index.write([row("new.jpg", 5000)], delete=[record(f"{n}.jpg").id for n in range(600)])
        index.finish()
        ids = [first.id, *(each.id for each in fingerprints)]
        assert sorted(ids) == sorted(record(f"{n}.jpg").id for n in range(1200))
        assert len([begun, *rows]) == 1200
        assert index.count() == 601

    def test_fingerprints(self, index_factory: IndexFactory) -> None:
        rows = [
            row("a.jpg", 1, size=3, mtime_ns=2**62, metadata_mark=2**63 - 1),
            row("a.jpg", 2, "other", mtime_ns=-5),
        ]
        index = filled(index_factory, rows)
        assert {each[:4] for each in chain.from_iterable(index.fingerprints())} == {
            (each.record.id, each.record.size, each.record.mtime_ns, each.record.metadata_mark)
            for each in rows
        }

    def test_the_first_photo_of_several_ids(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("a.jpg", 1), row("b.jpg", 2)])
        a, b = row("a.jpg", 1), row("b.jpg", 2)
        found = index.photo(["no such id", b.record.id, a.record.id])
        assert found is not None
        assert found[0].relative_path == "b.jpg"
        assert found[1] is not None
        assert np.allclose(found[1], b.vector, atol=1e-3)
        for none in ([], ["no such id"], ["x" * 600], [""], ["\ud800"]):
            assert index.photo(none) is None

    def test_records_by_hash(self, index_factory: IndexFactory) -> None:
        shared = "ab" * 32
        rows = [row(f"{n}.jpg", 1, content_hash=shared) for n in range(3)]
        index = filled(index_factory, [*rows, row("other.jpg", 2)])
        found = index.records_by_hash([shared, "cd" * 32, record("other.jpg").content_hash])
        assert set(found) == {shared, record("other.jpg").content_hash}
        assert {each.id for each in found[shared]} == {each.record.id for each in rows}

    def test_many_ids_at_once(self, index_factory: IndexFactory) -> None:
        rows = [row(f"{n}.jpg", n) for n in range(1500)]
        index = filled(index_factory, rows)
        ids = [each.record.id for each in rows]
        assert set(index.records(ids)) == set(index.vectors(ids)) == set(ids)
        assert len(index.records_by_hash([each.record.content_hash for each in rows])) == 1500

    # what it says of itself

    def test_libraries_and_their_roots(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("a.jpg", 1), row("b.jpg", 2), row("a.jpg", 3, "other")])
        index.set_root_hint("other", "../photos")
        index.set_root_hint("not yet ingested", "..")
        libraries = index.libraries()
        assert {name: each.photos for name, each in libraries.items()} == {"holiday": 2, "other": 1}
        assert libraries["other"].root_hint == "../photos"
        index.set_root_hint("other", None)
        assert index.libraries()["other"].root_hint is None
        index.write([], delete=[record("a.jpg", "other").id])
        index.finish()
        assert set(index.libraries()) == {"holiday"}

    def test_it_remembers_when_it_is_opened_again(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("a.jpg", 1)])
        index.record_ingest({"added": 1, "seconds": {"walk": 0.5}, "what": "é"})
        again = index_factory()
        info = again.info()
        assert again.models() == info.models == MODELS
        assert index.index_id == index_factory().index_id
        assert index.index_id != index_factory("another").index_id
        assert info.last_ingest == {"added": 1, "seconds": {"walk": 0.5}, "what": "é"}
        assert info.photos == 1
        assert info.bytes_on_disk > 0
        assert paths(again.search(vector(1), 1)) == ["a.jpg"]

    def test_other_models_contradict(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("a.jpg", 1)])
        index.stamp(MODELS)
        renamed = dataclasses.replace(MODELS, text_model=ModelIdentity("other name", "b2"))
        index.stamp(renamed)
        for other in (OTHER_MODELS, dataclasses.replace(MODELS, quantized=True)):
            with pytest.raises(IndexContradiction) as caught:
                index.stamp(other)
            assert MODELS.image_model.name in caught.value.message
            assert other.image_model.name in caught.value.message
            assert caught.value.cure

    def test_models_that_were_never_used_do_not_bind(self, index_factory: IndexFactory) -> None:
        index = index_factory()
        index.stamp(OTHER_MODELS)
        index.stamp(MODELS)
        index.write([row("a.jpg", 1)])
        index.finish()
        assert index.models() == MODELS

    # removing

    def test_erase(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row(f"{n}.jpg", n) for n in range(30)])
        ids = [record(f"{n}.jpg").id for n in (3, 4, 5)]
        assert index.erase([*ids, record("never.jpg").id]) == 3
        assert index.count() == 27
        assert not {"3.jpg", "4.jpg", "5.jpg"} & set(paths(index.search(vector(4), 30)))
        assert index.erase(ids) == 0
        assert index.erase(list(index.ids())) == 27
        assert index.search(vector(1), 3) == []
        assert index.libraries() == {}
        assert index.models() is None

    def test_an_emptied_index_takes_other_models(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("a.jpg", 1)])
        index.erase(list(index.ids()))
        index.stamp(dataclasses.replace(OTHER_MODELS, dims=16))
        index.write([Row(record("b.jpg"), vector(1, 16))])
        index.finish()
        assert paths(index.search(vector(1, 16), 3)) == ["b.jpg"]

    # one ingest, and another model

    def test_the_lock_is_given_back(self, index_factory: IndexFactory) -> None:
        index, other = index_factory(), index_factory()
        with index.lock():
            pass
        with other.lock():
            pass

    def test_searching_needs_no_lock(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("a.jpg", 1)])
        other = index_factory()
        with index.lock():
            assert len(other.search(vector(1), 1)) == 1

    def test_where_only_one_may_ingest_the_other_hears_who(
        self, index_factory: IndexFactory
    ) -> None:
        index, other = index_factory(), index_factory()
        with index.lock():
            refusal = _refusal_of(other)
        if refusal is not None:  # None: this backend takes several
            assert "process" in refusal.message
            assert refusal.cure

    def test_a_successor_takes_over_when_it_is_promoted(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("a.jpg", 1), row("b.jpg", 2)])
        index.set_root_hint("holiday", "..")
        index_id = index.index_id
        with index.lock():
            successor = index.successor(OTHER_MODELS)
            assert successor.count() == 0
            successor.write([row("a.jpg", 11)])
            assert paths(index.search(vector(2), 1)) == ["b.jpg"]
            assert index_factory().models() == MODELS
            successor.write([row("b.jpg", 12)])
            successor.finish()
            successor.promote()
        for promoted in (successor, index_factory()):
            assert promoted.models() == OTHER_MODELS
            assert paths(promoted.search(vector(12), 1)) == ["b.jpg"]
            assert promoted.index_id == index_id
            assert promoted.libraries()["holiday"].root_hint == ".."
        successor.close()

    def test_a_half_filled_successor_goes_on(self, index_factory: IndexFactory) -> None:
        index = filled(index_factory, [row("a.jpg", 1), row("b.jpg", 2)])
        interrupted = index.successor(OTHER_MODELS)
        interrupted.write([row("a.jpg", 11)])
        interrupted.close()
        resumed = index_factory().successor(OTHER_MODELS)
        assert list(resumed.ids()) == [record("a.jpg").id]
        resumed.close()
        third = ModelPair(ModelIdentity("third", "d4"), ModelIdentity("third", "d4"), DIMS)
        begun_anew = index_factory().successor(third)
        assert begun_anew.count() == 0
        begun_anew.close()
        assert index.count() == 2

    # a sample

    def test_a_sample_is_of_vectors_that_are_in_it(self, index_factory: IndexFactory) -> None:
        empty = index_factory("empty")
        assert empty.sample(10).shape[0] == 0
        rows = [row(f"{seed}.jpg", seed) for seed in range(30)]
        index = filled(index_factory, rows)
        stored = {each.vector.tobytes() for each in index.rows() if each.vector is not None}
        whole = index.sample(1000)
        assert {each.tobytes() for each in whole} == stored
        some = index.sample(10)
        assert some.shape == (10, DIMS)
        assert len({each.tobytes() for each in some} & stored) == 10


def _all(index: Index, where: Filter) -> list[object]:
    return list(index.search(vector(12345), 1000, where))


def _refusal_of(index: Index) -> IndexLocked | None:
    try:
        with index.lock():
            return None
    except IndexLocked as error:
        return error
