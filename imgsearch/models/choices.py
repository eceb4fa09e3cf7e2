"""Models that can be chosen by a short name, with what is known of them."""

from __future__ import annotations

from pathlib import Path

from imgsearch.dataclass import dataclass

DEFAULT_IMAGE_MODEL = "sentence-transformers/clip-ViT-B-32"
DEFAULT_TEXT_MODEL = "sentence-transformers/clip-ViT-B-32-multilingual-v1"
DEMO_MODELS = Path(__file__).parents[1] / "demo" / "models"


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of a vision transformer, from which its work for one picture follows."""

    size: int  # pixels of the square that it sees
    patch: int  # pixels of a patch's side
    width: int
    layers: int
    mlp: int  # width of the hidden layer between attentions

    @property
    def multiply_adds(self) -> float:
        """Multiply-adds for one picture, without the head."""
        tokens = (self.size // self.patch) ** 2 + 1
        weights = 4 * self.width**2 + 2 * self.width * self.mlp
        attention = 2 * tokens * self.width
        return self.layers * tokens * (weights + attention)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`image`, `text`: names on the hub, or folders of this package. `parameters`: of both towers,
    in millions. `coco`, `languages_36`: published recall@1 of texts to images, in percent, on COCO
    and on XM3600's 36 languages; `source` names where they were read."""

    name: str
    image: str
    text: str
    purpose: str
    parameters: float
    dims: int
    gigabytes: float  # to fetch
    languages: str
    licence: str
    vision: Architecture
    photos_per_second: float  # embedded on `MEASURED_ON`, with random weights of these sizes
    coco: float | None = None
    languages_36: float | None = None
    source: str = ""


VIT_B_32 = Architecture(size=224, patch=32, width=768, layers=12, mlp=3072)
MEASURED_ON = "two cores of an AMD EPYC"
_SIGLIP = "google/siglip2-"

CHOICES = {
    choice.name: choice
    for choice in (
        Choice(
            name="default",
            image=DEFAULT_IMAGE_MODEL,
            text=DEFAULT_TEXT_MODEL,
            purpose="fast, and known from the tutorial",
            parameters=286,
            dims=512,
            gigabytes=1.2,
            languages="some 50",
            licence="Apache-2.0",
            photos_per_second=92.0,
            vision=VIT_B_32,
            coco=30.4,
            languages_36=4.3,
            source="OpenCLIP, MIEB; both of its teacher, CLIP ViT-B/32, in English",
        ),
        Choice(
            name="small",
            image=f"{_SIGLIP}base-patch32-256",
            text=f"{_SIGLIP}base-patch32-256",
            purpose="little more work than the default, finds more",
            parameters=376,
            dims=768,
            gigabytes=1.5,
            languages="over 100",
            licence="Apache-2.0",
            photos_per_second=73.0,
            vision=Architecture(size=256, patch=32, width=768, layers=12, mlp=3072),
            coco=47.2,
            source="big_vision's page on SigLIP 2",
        ),
        Choice(
            name="good",
            image=f"{_SIGLIP}base-patch16-256",
            text=f"{_SIGLIP}base-patch16-256",
            purpose="sees smaller things",
            parameters=375,
            dims=768,
            gigabytes=1.5,
            languages="over 100",
            licence="Apache-2.0",
            photos_per_second=19.0,
            vision=Architecture(size=256, patch=16, width=768, layers=12, mlp=3072),
            coco=53.2,
            source="big_vision's page on SigLIP 2",
        ),
        Choice(
            name="best",
            image=f"{_SIGLIP}so400m-patch16-256",
            text=f"{_SIGLIP}so400m-patch16-256",
            purpose="where time and a GPU are there",
            parameters=1136,
            dims=1152,
            gigabytes=4.5,
            languages="over 100",
            licence="Apache-2.0",
            photos_per_second=3.7,
            vision=Architecture(size=256, patch=16, width=1152, layers=27, mlp=4304),
            coco=55.4,
            source="big_vision's page on SigLIP 2",
        ),
        Choice(
            name="demo",
            image=str(DEMO_MODELS / "image"),
            text=str(DEMO_MODELS / "text"),
            purpose="ships with imgsearch; knows icons, not photographs",
            parameters=4,
            dims=128,
            gigabytes=0.0,
            languages="10",
            licence="Apache-2.0",
            photos_per_second=3600.0,
            vision=Architecture(size=96, patch=16, width=192, layers=5, mlp=576),
        ),
    )
}


def work(choice: Choice) -> float:
    """The work of embedding one picture, as a multiple of the default model's."""
    return choice.vision.multiply_adds / VIT_B_32.multiply_adds
