"""int8 is taken where it ranks the user's own photos as bf16 and f32 do, and nowhere else."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import imgsearch
from imgsearch import models
from imgsearch.demo.training.figures import DEMO, EVALUATION, tiles
from imgsearch.ingest.batch_size import Limits
from imgsearch.ingest.options import Options
from imgsearch.models import calibration, encoders, int8_trial
from imgsearch.models.base import ImageEncoder, Pixels, Vectors, unit
from imgsearch.models.runtimes import OnnxRuntime
from imgsearch.models.towers import Tower
from imgsearch.question import Question, Term
from tests import model_directories
from tests.benchmarks import int8
from tests.benchmarks.int8 import augmented
from tests.command import Command


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tower]:
    root = tmp_path_factory.mktemp("int8")
    small = model_directories.clip_directory(root / "small")
    sources = {"demo": DEMO / "models" / "image", "small": small}
    return {
        name: models.set_up_tower("image", str(source), root / "cache")
        for name, source in sources.items()
    }


@pytest.fixture(autouse=True)
def fresh(towers: dict[str, Tower]) -> Iterator[None]:
    yield
    for tower in towers.values():
        for kept in tower.folder.glob("int8-*"):
            kept.unlink()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture counts for the trial, and 64 are enough."""
    monkeypatch.setattr(int8_trial, "ONE_IN", 1)
    monkeypatch.setattr(int8_trial, "PICTURES", 64)


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tower of 48 channels is neither as exact nor as much faster as one of 768."""
    monkeypatch.setattr(int8_trial, "OVERLAP", 0.5)
    monkeypatch.setattr(int8_trial, "CENTRED", 0.8)
    monkeypatch.setattr(int8_trial, "WORST", -1.0)
    monkeypatch.setattr(int8_trial, "SPEED", 0.0)


def opened(tower: Tower, index_id: str = "a", precision: str = "auto") -> ImageEncoder:
    return encoders.ingest_encoder(
        tower,
        precision=precision,  # type: ignore[arg-type]  # parametrised
        streams=1,
        tell=lambda text: None,
        index_id=index_id,
    )


def photos_for(encoder: ImageEncoder, count: int, seed: int = 0) -> Pixels:
    return np.concatenate([encoder.prepare(image) for image in augmented(count, seed)])


def fed(encoder: ImageEncoder, pixels: Pixels, times: int = 30) -> None:
    """Long enough for a trial to end."""
    for _ in range(times):
        for first in range(0, len(pixels), 8):
            encoder.encode(pixels[first : first + 8])


def resident(*, peak: bool) -> int:
    """Bytes of this process that are in memory now, from where `peak` begins anew, or the most
    since then. Linux alone; elsewhere 0."""
    if sys.platform != "linux":
        return 0
    if not peak:
        Path("/proc/self/clear_refs").write_text("5")
    said = Path("/proc/self/status").read_text()
    [kilobytes] = re.findall(r"VmHWM:\s+(\d+)" if peak else r"VmRSS:\s+(\d+)", said)
    return int(kilobytes) * 1024


def noisy(vectors: Vectors, share: float) -> Vectors:
    noise = np.random.default_rng(1).standard_normal(vectors.shape, np.float32)
    return unit(vectors + share * unit(noise))


def drawn(count: int = 256) -> Vectors:
    return unit(np.random.default_rng(0).standard_normal((count, 64), np.float32))


def test_figures_tell_what_ranks_alike() -> None:
    exact = drawn()
    served = noisy(exact, 0.001)
    good = int8_trial.figures_of(noisy(exact, 0.004), exact, served, 1.5)
    assert good.passed
    assert not int8_trial.figures_of(noisy(exact, 0.004), exact, served, 1.0).passed
    assert not int8_trial.figures_of(noisy(exact, 0.1), exact, served, 1.5).passed
    # near to f32 alone, or to what served before alone, is not enough
    assert not int8_trial.figures_of(served, drawn()[::-1], served, 1.5).passed
    assert not int8_trial.figures_of(exact, exact, drawn()[::-1], 1.5).passed


def test_one_photo_that_is_wrong_is_too_many() -> None:
    exact = drawn()
    found = exact.copy()
    found[7] = -exact[7]
    assert not int8_trial.figures_of(found, exact, exact, 1.5).passed


@pytest.mark.parametrize("answer", [0.0, 1.0, float("nan"), float("inf")])
def test_a_model_that_answers_the_same_to_all_never_passes(answer: float) -> None:
    same = np.full((256, 64), answer, np.float32)
    assert not int8_trial.figures_of(same, same, same, 1.5).passed


def test_the_demo_model_is_refused_and_goes_on_as_it_was(towers: dict[str, Tower]) -> None:
    """A trained model, with pictures of its kind: bf16 itself keeps .987 of the nearest, int8 less
    than the bound."""
    tower = towers["demo"]
    encoder = encoders.image_encoder(tower, many=True)
    assert isinstance(encoder, encoders.Images)
    trial = int8_trial.Trial(tower, "demo", encoder._runtime, 1)
    pixels = [encoder.prepare(tile) for tile in tiles(EVALUATION / "disturbed.webp", 256)]
    trial._kept = {n: trial._prepared.bytes_of(one)[0] for n, one in enumerate(pixels)}
    while not trial.over:
        trial.see(pixels[0])
    found = int8_trial.figures(tower, "demo")
    assert found is not None
    assert found.overlap < int8_trial.OVERLAP
    assert found.centred > 0.99  # the second form: what suffers most is in floats
    assert trial.outcome is None
    assert int8_trial.proven(tower, "demo", 1) is None
    assert not isinstance(opened(tower, "demo"), encoders.ImagesOnTrial)


def test_what_passed_serves_at_once_and_in_later_ingests(
    towers: dict[str, Tower], at_once: None, lenient: None
) -> None:
    tower = towers["small"]
    encoder = opened(tower)
    pixels = photos_for(encoder, 64)
    before = np.concatenate([encoder.encode(one[None]) for one in pixels])
    fed(encoder, pixels)
    assert encoder.precision == "int8"
    after = np.concatenate([encoder.encode(one[None]) for one in pixels])
    found = int8_trial.figures(tower, "a")
    assert found is not None
    assert found.passed
    # vectors of both lie in one index: each finds the other's photo first
    assert ((after @ before.T).argmax(axis=1) == np.arange(len(pixels))).mean() > 0.95
    later = opened(tower)
    assert later.precision == "int8"
    assert np.allclose(later.encode(pixels), after, atol=1e-3)  # nothing depends on batch mates
    assert opened(tower, "another index").precision != "int8"
    assert opened(tower, precision="bf16").precision == "bf16"


def test_another_model_processor_or_openvino_begins_anew(
    towers: dict[str, Tower], at_once: None, lenient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = towers["small"]
    fed(encoder := opened(tower), photos_for(encoder, 64))
    assert int8_trial.proven(tower, "a", 1) is not None
    identity = dataclasses.replace(tower.identity, digest="0" * 64)
    changed = dataclasses.replace(tower, identity=identity)
    assert int8_trial.proven(changed, "a", 1) is None
    assert int8_trial.worth_it(changed, "a")
    with monkeypatch.context() as patched:
        patched.setattr("openvino.__version__", "2031.0.0")
        assert int8_trial.proven(tower, "a", 1) is None
    [kept] = tower.folder.glob("int8-*")
    kept.write_bytes(kept.read_bytes()[:200])  # a disk that was full
    assert int8_trial.proven(tower, "a", 1) is None
    assert int8_trial.worth_it(tower, "a")


def test_a_trial_that_was_cut_short_leaves_nothing(
    towers: dict[str, Tower], at_once: None, lenient: None
) -> None:
    tower = towers["small"]
    encoder = opened(tower)
    pixels = photos_for(encoder, 64)
    fed(encoder, pixels, 2)
    assert encoder.precision != "int8"
    assert not list(tower.folder.glob("*int8-*"))
    assert int8_trial.worth_it(tower, "a")


def test_a_disk_that_takes_nothing_ends_a_trial_and_not_the_ingest(
    towers: dict[str, Tower], at_once: None, lenient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = towers["small"]
    encoder = opened(tower)
    pixels = photos_for(encoder, 64)

    def full(*given: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("tempfile.TemporaryFile", full)
        fed(encoder, pixels, 2)
        assert encoder.precision != "int8"
        assert encoder.encode(pixels[:8]).shape == (8, encoder.dims)
    assert int8_trial.worth_it(tower, "a")  # in the next ingest
    fed(again := opened(tower), pixels)
    assert again.precision == "int8"
    with monkeypatch.context() as patched:
        patched.setattr("tempfile.TemporaryFile", full)
        assert int8_trial.proven(tower, "a", 1) is None


def test_too_few_photos_are_no_trial(towers: dict[str, Tower]) -> None:
    encoder = opened(towers["small"])
    fed(encoder, photos_for(encoder, 64), 40)  # the same again and again are no more photos
    assert encoder.precision != "int8"
    assert int8_trial.figures(towers["small"], "a") is None


def test_the_same_photos_give_the_same_form_in_any_order(
    towers: dict[str, Tower], at_once: None
) -> None:
    tower = towers["small"]
    encoder = encoders.image_encoder(tower, many=True)
    assert isinstance(encoder, encoders.Images)
    pixels = photos_for(encoder, 32)
    forms = []
    for order in (1, -1):
        trial = int8_trial.Trial(tower, "a", encoder._runtime, 1)
        for one in pixels[::order]:
            trial._take(one[None])
        kept = trial._prepared.of_bytes(np.stack([trial._kept[key] for key in sorted(trial._kept)]))
        forms.append(int8_trial.fitted(tower, kept))
    for (name, fit), (other_name, other) in zip(*(each.items() for each in forms), strict=True):
        assert name == other_name
        assert (fit.low, fit.high) == (other.low, other.high)
        assert np.array_equal(fit.scales, other.scales)


def test_every_layer_is_in_int8(towers: dict[str, Tower]) -> None:
    """Two layers of four groups of products each, and the projection; attention's own products
    stay as they are."""
    encoder = encoders.image_encoder(towers["small"], many=True)
    fits = int8_trial.fitted(towers["small"], photos_for(encoder, 16))
    assert len(fits) == 9
    assert len(calibration.without_worst_kind(fits)) == 7
    runtime = int8_trial.runtime(towers["small"], fits, 1)
    assert runtime.precision == "int8"


def test_an_ingest_goes_on_in_int8_and_finds_all_its_photos(
    command: Command, at_once: None, lenient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what came before the switch and after it, each photo finds itself, in one index."""
    monkeypatch.setattr(int8_trial, "PICTURES", 16)
    for name, value in command.env().items():
        monkeypatch.setenv(name, value)
    album = command.home / "album"
    album.mkdir()
    for number, image in enumerate(augmented(80)):
        image.save(album / f"{number:02}.jpg")
    one_by_one = Options(limits=Limits(workers=1, batch_size=1))
    with imgsearch.open(command.home / "index", create=True) as library:
        assert library.ingest([album], one_by_one).added == 80
        found = library.models.int8_figures(library.index.index_id)
        assert found is not None
        assert found.passed
        assert library.models.loaded is not None
        assert library.models.loaded[1].precision == "int8"
        copies = command.home / "elsewhere"
        shutil.copytree(album, copies)
        for number in (0, 79):  # asked in f32: of one in bf16, of one in int8
            picture = Term(picture=str(copies / f"{number:02}.jpg"))
            nearest = library.search(Question(terms=(picture,), k=1))[0]
            assert nearest.record.relative_path == f"{number:02}.jpg"
    # another process, with the bounds as they are
    shown = command.run("--index", command.home / "index", "status").stdout
    assert "not used: of 16 photos" in " ".join(shown.split())


@pytest.mark.slow
def test_full_size_towers_are_judged_by_what_they_do(tmp_path: Path) -> None:
    """ViT-B/32, random weights. Whichever way it goes: what passed keeps the ranking of photos that
    the trial has not seen; what did not is not used."""
    vision = model_directories.VIT_B_32
    source = model_directories.clip_directory(tmp_path / "clip", vision=vision, dims=512)
    tower = models.set_up_tower("image", str(source), tmp_path / "cache")
    encoder = encoders.image_encoder(tower, many=True)
    assert isinstance(encoder, encoders.Images)
    trial = int8_trial.Trial(tower, "a", encoder._runtime, 1)
    pixels = photos_for(encoder, 256)
    trial._kept = dict(enumerate(trial._prepared.bytes_of(pixels)))
    encoder.encode(pixels[:8])
    before = resident(peak=False)
    while not trial.over:
        trial.see(pixels[:1])
    if sys.platform == "linux":  # it was 780 MB when another model was compiled to be observed
        assert resident(peak=True) - before < 300e6
    found = int8_trial.figures(tower, "a")
    assert found is not None
    assert found.centred > 0.998
    assert found.worst > 0.99
    assert found.overlap > 0.97
    assert (trial.outcome is not None) == found.passed
    if trial.outcome is not None:
        others = photos_for(encoder, 256, seed=1)
        exact = int8.vectors(tower, OnnxRuntime(tower.model_file), others)
        before = encoder.encode(others)
        unseen = int8_trial.figures_of(
            int8.vectors(tower, trial.outcome, others), exact, before, found.speed
        )
        assert unseen.overlap > int8_trial.OVERLAP - 0.01
        assert unseen.mixed > int8_trial.OVERLAP - 0.01


def test_status_shows_the_trial(command: Command, album: Path) -> None:
    command.run("ingest", album)
    assert command.run("status", "--json").json["index"]["int8_trial"] is None
    assert "int8" not in command.run("status").stdout
    source, cache = str(DEMO / "models" / "image"), command.cache / "imgsearch" / "models"
    tower = models.cached_tower("image", source, cache)
    assert tower is not None
    with imgsearch.open(command.run("status", "--json").json["index"]["place"]) as library:
        index_id = library.index.index_id
    found = int8_trial.Figures(256, 0.9991, 0.9981, 0.9824, 0.9816, 1.38)
    fit = calibration.Fit(np.ones(3, np.float32), 0.0, 1.0, 0.0)
    int8_trial._keep(tower, index_id, found, {"product": fit})
    shown = command.run("status", "--json").json["index"]["int8_trial"]
    int8_trial._file(tower, index_id).unlink()
    assert shown == {**dataclasses.asdict(found), "passed": True}
