"""Vectors equal those of SentenceTransformer.encode, on every runtime, for every layout."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from imgsearch import models
from imgsearch.errors import ModelError
from imgsearch.models import Kind, Tower, encoders, export, preprocessing, runtimes, verification
from imgsearch.models.base import Vectors, unit
from imgsearch.models.tokenizer import Tokens
from tests import model_directories

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SKIMAGE = Path(str(files("skimage"))) / "data"
TEXTS = (
    "endless route to the top",
    "Straßenbahn im Regen",
    "дорога в горах",
    "山の上の道",
    "طريق طويل",
    "🙂",
    "  spaces  around ",
    "",
    "long " * 400,
)


@pytest.fixture(scope="session")
def photos() -> list[Image.Image]:
    """Real photos, and crops of them in many shapes."""
    found = []
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg"):
        with Image.open(SKIMAGE / name) as opened:
            photo = opened.convert("RGB")
        width, height = photo.size
        found += [
            photo,
            photo.crop((0, 0, width, height // 3)),
            photo.crop((width // 4, 0, width // 2, height)),
            photo.resize((97, 71)),
            photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((9, 9, width // 2, height // 2)),
        ]
    return found


@dataclasses.dataclass
class Made:
    """An exported tower beside the directory it came from."""

    tower: Tower
    source: Path

    def reference(self, inputs: Sequence[Any]) -> Vectors:
        """`SentenceTransformer.encode`, loaded as a user would, without a line of ours."""
        return unit(np.array(_loaded(self.source).encode(list(inputs), batch_size=4)))


_open: dict[Path, SentenceTransformer] = {}


def _loaded(source: Path) -> SentenceTransformer:
    if source not in _open:
        from sentence_transformers import SentenceTransformer

        logging.getLogger("transformers").setLevel(logging.ERROR)
        model = SentenceTransformer(str(source), device="cpu").float()
        if "siglip" in source.name:  # as its model card says
            model[0].processing_kwargs = {"text": {"padding": "max_length", "max_length": 64}}
        _open[source] = model
    return _open[source]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Made]:
    root = tmp_path_factory.mktemp("models")
    directories = {
        "clip": model_directories.clip_directory(root / "clip"),
        "multilingual": model_directories.multilingual_directory(root / "multi", half=True),
        "siglip": model_directories.siglip_directory(root / "siglip"),
    }
    wanted: list[tuple[str, Kind]] = [
        ("clip", "image"),
        ("clip", "text"),
        ("multilingual", "text"),
        ("siglip", "image"),
        ("siglip", "text"),
    ]
    return {
        (name, kind): Made(
            models.set_up_tower(kind, str(directories[name]), root / "cache"), directories[name]
        )
        for name, kind in wanted
    }


@pytest.mark.parametrize("layout", ["multilingual", "clip", "siglip"])
def test_texts_equal_sentence_transformers(made: dict[tuple[str, str], Made], layout: str) -> None:
    one = made[layout, "text"]
    encoder = encoders.text_encoder(one.tower)
    found = encoder.encode(TEXTS)
    assert found.shape == (len(TEXTS), encoder.dims)
    assert found.dtype == np.float32
    assert verification.lowest_cosine(found, one.reference(TEXTS)) >= 0.9999
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert verification.lowest_cosine(alone, found) >= 0.99999  # batch mates change nothing
    assert encoder.encode([]).shape == (0, encoder.dims)


def test_tokens_equal_those_of_the_whole_vocabulary(made: dict[tuple[str, str], Made]) -> None:
    """Texts of letters, words and signs at random, one after the other and all at once."""
    one = made["multilingual", "text"]
    theirs = _loaded(one.source).tokenizer
    vocabulary = [piece.removeprefix("##") for piece in theirs.get_vocab()]
    random = np.random.default_rng(3)
    glue = ["", " ", "  ", "-", "\t", ".", "[MASK]", "\u0301", "\x00", "�", "\ud800"]
    texts = [
        "".join(
            str(random.choice(vocabulary)) + glue[random.choice(len(glue), p=_MOSTLY_BLANKS)]
            for _ in range(random.integers(1, 30))
        )
        for _ in range(300)
    ]
    texts = [text.encode(errors="replace").decode() for text in texts] + ["x" * 99, "é" * 101, ""]
    tokens = Tokens(one.tower.folder, one.tower.inputs)
    for some in [[text] for text in texts] + [texts]:
        expected = theirs(some, padding=True, truncation=True, return_tensors="np")
        found = tokens(some)
        for name in one.tower.inputs:
            assert (found[name] == expected[name]).all(), some


_MOSTLY_BLANKS = [0.2, 0.52, *[0.28 / 9] * 9]


@pytest.mark.parametrize("layout", ["clip", "siglip"])
@pytest.mark.parametrize("many", [False, True])
def test_images_equal_sentence_transformers(
    made: dict[tuple[str, str], Made], photos: list[Image.Image], layout: str, many: bool
) -> None:
    one = made[layout, "image"]
    encoder = encoders.image_encoder(one.tower, many=many, precision="f32")
    assert encoder.precision == "f32"
    found = encoder.encode(np.concatenate([encoder.prepare(photo) for photo in photos]))
    assert verification.lowest_cosine(found, one.reference(photos)) >= 0.9999
    alone = encoder.encode(encoder.prepare(photos[3]))
    assert verification.lowest_cosine(alone, found[3:4]) >= 0.99999


@pytest.mark.parametrize("layout", ["clip", "siglip"])
def test_pixels_equal_the_image_processor(
    made: dict[tuple[str, str], Made], photos: list[Image.Image], layout: str
) -> None:
    one = made[layout, "image"]
    ours = preprocessing.from_manifest(one.tower.preprocessing)
    theirs = _loaded(one.source).preprocess(photos)["pixel_values"].numpy()
    found = np.concatenate([ours.pixels(photo) for photo in photos])
    steps = np.abs(found - theirs) / ours.scale[:, None, None]  # of 255
    assert steps.max() < 1.01
    assert (steps > 0.01).mean() < 1e-3


def test_a_strip_is_not_scaled_to_gigabytes(made: dict[tuple[str, str], Made]) -> None:
    ours = preprocessing.from_manifest(made["clip", "image"].tower.preprocessing)
    for size in ((1, 1), (1, 30_000), (30_000, 1), (3, 900)):
        assert ours.pixels(Image.new("RGB", size, "red")).shape == (1, 3, 64, 64)


def test_bf16_keeps_what_tells_images_apart(
    made: dict[tuple[str, str], Made], photos: list[Image.Image]
) -> None:
    one = made["clip", "image"]
    encoder = encoders.image_encoder(one.tower, many=True, precision="bf16", streams=2)
    assert encoder.precision == "bf16"
    found = encoder.encode(np.concatenate([encoder.prepare(photo) for photo in photos]))
    assert _centred_cosine(found, one.reference(photos)) >= 0.994


def test_int8_is_near_and_independent_of_batch_mates(
    made: dict[tuple[str, str], Made], photos: list[Image.Image]
) -> None:
    one = made["clip", "image"]
    encoder = encoders.image_encoder(one.tower, many=True, precision="int8")
    assert encoder.precision == "int8"
    pixels = np.concatenate([encoder.prepare(photo) for photo in photos])
    found = encoder.encode(pixels)
    assert verification.lowest_cosine(found, one.reference(photos)) >= 0.95
    alone = np.concatenate([encoder.encode(pixels[n : n + 1]) for n in range(len(photos))])
    assert verification.lowest_cosine(alone, found) >= 0.9999


def test_many_threads_encode_at_once(
    made: dict[tuple[str, str], Made], photos: list[Image.Image]
) -> None:
    encoder = encoders.image_encoder(made["clip", "image"].tower, many=True, streams=2)
    pixels = [encoder.prepare(photo) for photo in photos]
    expected = [encoder.encode(one) for one in pixels]
    wrong = []

    def work() -> None:
        for one, vector in zip(pixels, expected, strict=True):
            if not np.allclose(encoder.encode(one), vector, atol=1e-5):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FIRST_ARRAYS_AT_ONCE = """
import sys, threading
from pathlib import Path
import numpy as np
from imgsearch.models import encoders
from imgsearch import models
tower = models.cached_tower("image", sys.argv[1], Path(sys.argv[2]))
encoder = encoders.image_encoder(tower, streams=2, many=True)
pixels = np.zeros((1, 3, encoder.image_size, encoder.image_size), np.float32)
barrier = threading.Barrier(4)
def run():
    barrier.wait()
    encoder.encode(pixels)
threads = [threading.Thread(target=run, daemon=True) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join(60)
sys.exit(any(thread.is_alive() for thread in threads))
"""


def test_the_first_pictures_of_several_threads_at_once(
    made: dict[tuple[str, str], Made], tmp_path: Path
) -> None:
    """OpenVINO's look-up of NumPy dead-locked in two of five processes that began so."""
    tower = made["clip", "image"].tower
    encoders.image_encoder(tower, streams=2, many=True)  # checked: later processes begin at once
    for _ in range(8):
        command = [sys.executable, "-c", FIRST_ARRAYS_AT_ONCE]
        finished = subprocess.run([*command, tower.source, tower.folder.parent], timeout=120)
        assert finished.returncode == 0


WEIGHTS_IN_MEMORY = """
import sys
from pathlib import Path
import numpy as np
from imgsearch import models
from imgsearch.models import encoders
tower = models.cached_tower("image", sys.argv[1], Path(sys.argv[2]))
encoder = encoders.image_encoder(tower, streams=1, many=True)
pixels = np.ones((1, 3, encoder.image_size, encoder.image_size), np.float32)
before = encoder.encode(pixels)
assert (encoder.encode(pixels) == before).all()
mapped = resident = 0
weights = False
for line in Path("/proc/self/smaps").read_text().splitlines():
    name, *values = line.split()
    if not name.endswith(":"):
        weights = line.endswith("/" + models.WEIGHTS_FILE)
    elif weights and name == "Size:":
        mapped += int(values[0])
    elif weights and name == "Rss:":
        resident += int(values[0])
print(mapped, resident)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells, and can be told")
def test_weights_that_the_runtime_has_packed_take_no_memory_twice(
    made: dict[tuple[str, str], Made],
) -> None:
    tower = made["clip", "image"].tower
    encoders.image_encoder(tower, streams=1, many=True)  # checked: that process begins at once
    command = [sys.executable, "-c", WEIGHTS_IN_MEMORY, tower.source, tower.folder.parent]
    said = subprocess.run(command, capture_output=True, check=True, text=True, timeout=120).stdout
    mapped, resident = map(int, said.split())
    assert mapped > 0
    assert resident <= mapped / 4


def test_an_ingest_prepares_pictures_while_the_runtime_opens(
    made: dict[tuple[str, str], Made],
    photos: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = made["clip", "image"]
    may_open, real, said = threading.Event(), encoders.image_encoder, list[str]()

    def slow(*arguments: Any, **options: Any) -> Any:
        assert may_open.wait(60)
        return real(*arguments, **options)

    monkeypatch.setattr(encoders, "image_encoder", slow)
    encoder = encoders.ingest_encoder(one.tower, precision="f32", streams=1, tell=said.append)
    assert encoder.image_size == 64
    pixels = np.concatenate([encoder.prepare(photo) for photo in photos])
    may_open.set()
    found = encoder.encode(pixels)
    assert encoder.precision == "f32"
    assert verification.lowest_cosine(found, one.reference(photos)) >= 0.9999
    assert not said


def test_what_an_ingest_hears_of_its_runtime(
    made: dict[tuple[str, str], Made],
    photos: list[Image.Image],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slower one that serves in its place; and when it is wanted, that there is none."""
    tower = models.set_up_tower("image", str(made["clip", "image"].source), tmp_path)
    said = list[str]()
    monkeypatch.setattr(runtimes.OpenVino, "__init__", _refuses)
    encoder = encoders.ingest_encoder(tower, precision="auto", streams=1, tell=said.append)
    pixels = encoder.prepare(photos[0])
    encoder.encode(pixels)
    assert len(said) == 1
    assert "not today" in said[0]
    tower.model_file.write_bytes(bytes(tower.model_file.stat().st_size))
    encoder = encoders.ingest_encoder(tower, precision="auto", streams=1, tell=said.append)
    with pytest.raises(ModelError) as refused:
        encoder.encode(pixels)
    assert "exported anew" in refused.value.cure


def _refuses(self: Any, *arguments: Any) -> None:
    raise runtimes.RuntimeFailure("not today")


@pytest.mark.parametrize(("precision", "bound"), [("f32", 0.9999), ("bf16", 0.994)])
def test_torch_serves_many_images(
    made: dict[tuple[str, str], Made],
    photos: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
    precision: Any,
    bound: float,
) -> None:
    """The way of a GPU, on the device that is here."""
    one = made["clip", "image"]
    monkeypatch.setattr(encoders, "accelerator", lambda: "cuda")
    real = runtimes.TorchTower.__init__

    def on_cpu(tower: Any, folder: Path, modality: str, device: Any, precision: Any) -> None:
        assert device == "cuda"
        real(tower, folder, modality, "cpu", precision)

    monkeypatch.setattr(runtimes.TorchTower, "__init__", on_cpu)
    encoder = encoders.image_encoder(one.tower, many=True, precision=precision)
    assert encoder.precision == precision
    found = encoder.encode(np.concatenate([encoder.prepare(photo) for photo in photos]))
    assert _centred_cosine(found, one.reference(photos)) >= bound


def test_where_the_export_was_thrown_away_sentence_transformers_serves(
    made: dict[tuple[str, str], Made],
    photos: list[Image.Image],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(verification, "EXACT", 1.1)
        tower = models.set_up_tower("text", str(made["clip", "text"].source), tmp_path)
        images = models.set_up_tower("image", str(made["clip", "image"].source), tmp_path)
    found = encoders.text_encoder(tower).encode(TEXTS)
    assert verification.lowest_cosine(found, made["clip", "text"].reference(TEXTS)) >= 0.9999
    for many in (False, True):
        encoder = encoders.image_encoder(images, many=many)
        assert encoder.image_size == 64
        found = encoder.encode(np.concatenate([encoder.prepare(photo) for photo in photos]))
        assert verification.lowest_cosine(found, made["clip", "image"].reference(photos)) >= 0.9999


class TestNewVersionsOfARuntime:
    def test_are_held_against_the_references_once(
        self, made: dict[tuple[str, str], Made], tmp_path: Path
    ) -> None:
        tower = models.set_up_tower("image", str(made["clip", "image"].source), tmp_path)
        assert [name.split()[0] for name in tower.checked] == ["onnxruntime"]
        encoders.image_encoder(tower, many=True, precision="f32")
        known = models.cached_tower("image", tower.source, tmp_path)
        assert known is not None
        assert len(known.checked) == 2
        assert min(known.checked.values()) >= 0.9999

    def test_that_answer_otherwise_give_way_to_onnxruntime(
        self,
        made: dict[tuple[str, str], Made],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        tower = models.set_up_tower("image", str(made["clip", "image"].source), tmp_path)
        monkeypatch.setattr(
            runtimes.OpenVino, "run", lambda self, inputs: np.ones((5, 32), np.float32)
        )
        encoder = encoders.image_encoder(tower, many=True)
        assert encoder.precision == "f32"
        assert "openvino" in encoder.warning  # type: ignore[attr-defined]

    def test_and_onnxruntime_itself_has_the_model_exported_anew(
        self, made: dict[tuple[str, str], Made], tmp_path: Path
    ) -> None:
        source = str(made["clip", "text"].source)
        tower = models.set_up_tower("text", source, tmp_path)
        references = verification.load_references(tower.folder / models.REFERENCES_FILE)
        verification.save_references(tower.folder / models.REFERENCES_FILE, references[::-1])
        with pytest.raises(ModelError, match="other vectors"):
            encoders.text_encoder(dataclasses.replace(tower, checked={}))
        assert models.cached_tower("text", source, tmp_path) is None


def test_a_model_file_that_cannot_be_read(
    made: dict[tuple[str, str], Made], tmp_path: Path
) -> None:
    source = str(made["clip", "image"].source)
    tower = models.set_up_tower("image", source, tmp_path)
    size = tower.model_file.stat().st_size
    tower.model_file.write_bytes(bytes(size))
    for many in (False, True):
        with pytest.raises(ModelError) as refused:
            encoders.image_encoder(tower, many=many)
        assert "exported anew" in refused.value.cure
    assert models.set_up_tower("image", source, tmp_path).verified >= 0.9999


def test_after_set_up_nothing_heavy_is_imported(made: dict[tuple[str, str], Made]) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from PIL import Image\n"
        "from imgsearch import models\n"
        "from imgsearch.models import encoders\n"
        "cache = Path(sys.argv[1])\n"
        "text = models.cached_tower('text', sys.argv[2], cache)\n"
        "encoders.text_encoder(text).encode(['a cat'])\n"
        "image = models.cached_tower('image', sys.argv[3], cache)\n"
        "one = encoders.image_encoder(image)\n"
        "one.encode(one.prepare(Image.new('RGB', (80, 60))))\n"
        "print(*{name.split('.')[0] for name in sys.modules})\n"
        "many = encoders.image_encoder(image, many=True)\n"
        "many.encode(many.prepare(Image.new('RGB', (80, 60))))\n"
        "print(*{name.split('.')[0] for name in sys.modules})\n"
    )
    text, image = made["multilingual", "text"], made["clip", "image"]
    arguments = [str(text.tower.folder.parent), text.tower.source, image.tower.source]
    finished = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    one, many = (set(line.split()) for line in finished.stdout.splitlines())
    heavy = {"torch", "transformers", "sentence_transformers", "huggingface_hub", "onnx"}
    assert not one & {*heavy, "openvino"}
    assert not many & heavy


@pytest.fixture(scope="session")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Made]:
    """ViT-B/32 and the multilingual DistilBERT: 0.9 GB, and as much again for the exports."""
    root = tmp_path_factory.mktemp("full")
    images, texts = model_directories.full_size_pair(root)
    cache = root / "cache"
    return {
        "image": Made(models.set_up_tower("image", str(images), cache), images),
        "text": Made(models.set_up_tower("text", str(texts), cache), texts),
    }


@pytest.mark.slow
def test_the_full_architecture_equals_sentence_transformers(
    full_size: dict[Kind, Made], photos: list[Image.Image]
) -> None:
    text, image = full_size["text"], full_size["image"]
    assert not text.tower.warning + image.tower.warning
    found = encoders.text_encoder(text.tower).encode(TEXTS)
    assert verification.lowest_cosine(found, text.reference(TEXTS)) >= 0.9999
    expected = image.reference(photos)
    for many in (False, True):
        encoder = encoders.image_encoder(image.tower, many=many, precision="f32")
        found = encoder.encode(np.concatenate([encoder.prepare(photo) for photo in photos]))
        assert verification.lowest_cosine(found, expected) >= 0.9999
    encoder = encoders.image_encoder(image.tower, many=True, precision="bf16")
    found = encoder.encode(np.concatenate([encoder.prepare(photo) for photo in photos]))
    assert _centred_cosine(found, expected) >= 0.994


def _centred_cosine(found: Vectors, expected: Vectors) -> float:
    return verification.lowest_cosine(found - found.mean(0), expected - expected.mean(0))


def test_what_cannot_be_prepared_here_is_not_exported() -> None:
    size = {"height": 64, "width": 64}
    mean = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    preprocessing.from_processor({"size": size, **mean})
    for config in (
        {"size": {"shortest_edge": 64}, "do_center_crop": False},
        {"size": {"longest_edge": 64}},
        {"size": size, "do_pad": True},
        {"size": size, "do_resize": False},
        {"size": size, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}},
    ):
        with pytest.raises(ValueError):
            preprocessing.from_processor({**config, **mean})


def test_a_text_model_of_foreign_inputs_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(export.NotExportable, match="position_ids"):
        export._write_graph(None, "text", ("input_ids", "position_ids"), tmp_path)  # type: ignore[arg-type]
