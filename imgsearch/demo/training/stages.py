"""The three stages of the training. Each is a fixed number of steps, so a seed fixes the result
(up to the order in which the CPU's threads add up)."""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW, Muon, Optimizer

from imgsearch.demo.training.augmentation import Augmentation
from imgsearch.demo.training.gallery import Gallery
from imgsearch.demo.training.texts import TextBook
from imgsearch.demo.training.towers import ImageTower, Prototypes, TextTower, Twin

DROP = 0.1  # of the word pieces that fit
PICTURES, TEXTS = 10.0, 14.0  # scales of cosines, as logits
APART = 0.6  # how much of what a concept shares with its kin a text leaves out


@dataclass
class Steps:
    """How long each stage is; `scaled` makes trial runs."""

    text: int = 900
    image: int = 14_000
    words: int = 2000

    def scaled(self, factor: float) -> Steps:
        """The same proportions, shorter or longer."""
        return Steps(*(max(2, round(n * factor)) for n in vars(self).values()))


@dataclass
class Workshop:
    """Everything that is trained and what it is trained on."""

    book: TextBook
    gallery: Gallery
    kin: Tensor  # [concepts, concepts], true where two different concepts are kin
    texts: TextTower
    images: ImageTower
    prototypes: Prototypes
    seed: int
    report: Callable[[str], None] = print
    draw: random.Random = field(init=False)
    augment: Augmentation = field(init=False)
    loss: float = field(init=False, default=0.0)  # of the last step, for the report

    def __post_init__(self) -> None:
        self.begin(0)

    def begin(self, stage: int) -> None:
        """Seed everything random for a stage, so that a resumed run draws the same."""
        torch.manual_seed(100 * self.seed + stage)
        self.draw = random.Random(100 * self.seed + stage)
        self.augment = Augmentation(100 * self.seed + stage)

    def sampled(self, concepts: Sequence[int], noise: float) -> tuple[list[str], Tensor]:
        """One text per concept, and the concepts each means."""
        pairs = [self.book.sample(c, self.draw, noise) for c in concepts]
        return [text for text, _ in pairs], self.book.targets([own for _, own in pairs])


class Average:
    """The exponential moving average of modules' weights, which is what a stage leaves behind."""

    def __init__(self, modules: Sequence[nn.Module], decay: float) -> None:
        self.live = modules
        self.shadow = [copy.deepcopy(m).requires_grad_(False) for m in modules]
        self.decay = decay
        self.seen = 0

    @torch.no_grad()
    def update(self) -> None:
        """Follow the live weights; quickly at first."""
        self.seen += 1
        decay = min(self.decay, (1 + self.seen) / (10 + self.seen))
        for live, shadow in zip(self.live, self.shadow, strict=True):
            for new, old in zip(live.parameters(), shadow.parameters(), strict=True):
                old.lerp_(new, 1 - decay)

    def settle(self) -> None:
        """Put the average into the live modules."""
        for live, shadow in zip(self.live, self.shadow, strict=True):
            live.load_state_dict(shadow.state_dict())


def _schedule(
    name: str, steps: int, optimizers: Sequence[Optimizer], warm_up: int, shop: Workshop
) -> Iterator[float]:
    """Yield how far the stage is (0..1), with the learning rates set: warm-up, then a cosine."""
    start = time.monotonic()
    for step in range(steps):
        far = step / steps
        factor = min(1.0, (step + 1) / warm_up) * max(0.01, 0.5 * (1 + math.cos(math.pi * far)))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
        yield far
        if (step + 1) % 100 == 0 or step + 1 == steps:
            seconds = time.monotonic() - start
            shop.report(f"{name}: {step + 1} of {steps}, loss {shop.loss:.3f}, {seconds:.0f} s")


def _groups(
    modules: Sequence[tuple[nn.Module, float]], weight_decay: float
) -> list[dict[str, object]]:
    """AdamW's groups: no weight decay on biases and norms."""
    return [
        {
            "params": [p for p in module.parameters() if (p.ndim > 1) is matrix],
            "peak": peak,
            "weight_decay": weight_decay if matrix else 0.0,
        }
        for module, peak in modules
        for matrix in (True, False)
        if any((p.ndim > 1) is matrix for p in module.parameters())
    ]


def _image_optimizers(tower: ImageTower, muon: float, adam: float) -> list[Optimizer]:
    """Muon on the layers' matrices (AdamW alone was four times slower), AdamW on the rest."""
    hidden = [p for n, p in tower.named_parameters() if "encoder.layers" in n and p.ndim == 2]
    chosen = {id(p) for p in hidden}
    rest = [p for p in tower.parameters() if id(p) not in chosen]
    return [
        Muon([{"params": hidden, "peak": muon}], weight_decay=0.02, momentum=0.95),
        AdamW([{"params": rest, "peak": adam}], weight_decay=0.01, betas=(0.9, 0.98)),
    ]


def _step(
    shop: Workshop,
    loss: Tensor,
    optimizers: Sequence[Optimizer],
    modules: Sequence[nn.Module],
    twin: Twin | None = None,
) -> None:
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    shop.loss = loss.item()
    if twin:
        twin.hand_over()
    nn.utils.clip_grad_norm_([p for m in modules for p in m.parameters()], 1.0)
    for optimizer in optimizers:
        optimizer.step()


def _smoothed(targets: Tensor, by: float) -> Tensor:
    return (1 - by) * targets + by / targets.shape[1]


def _kin_loss(places: Tensor, kin: Tensor) -> Tensor:
    """Cross-entropy of 'which other concept is near' against the kin, all alike."""
    some = kin.any(1)
    logits = (10 * places @ places.T).fill_diagonal_(-1e4)
    targets = kin.float() / kin.sum(1, keepdim=True).clamp_min(1)
    return functional.cross_entropy(logits[some], targets[some])


def likeness(places: Tensor, scale: float) -> Tensor:
    """How much of every place is seen from every other: [concepts, concepts], rows sum to one.

    With these as targets the loss is least where a vector lies at its place. A target of one
    concept alone, smoothed or not, pushes it away from the concept's kin: of a picture's three
    nearest one was kin then, and now they nearly all are.
    """
    return functional.softmax(scale * places @ places.T, dim=1)


def _placed(vectors: Tensor, places: Tensor, targets: Tensor, scale: float) -> Tensor:
    """Loss of vectors [n, dims] that are to see the places [concepts, dims] as in `targets`."""
    direct = functional.normalize(targets @ places, dim=-1)
    return (
        functional.cross_entropy(scale * vectors @ places.T, targets)
        + (1 - (vectors * direct).sum(1)).mean()
    )


def learn_texts(shop: Workshop, steps: int) -> None:
    """Stage 1: every text to the prototypes of the concepts it means."""
    modules: list[nn.Module] = [shop.texts, shop.prototypes]
    optimizer = AdamW(_groups([(m, 1.5e-3) for m in modules], 0.02), betas=(0.9, 0.98))
    average = Average(modules, 0.99)
    for _ in _schedule("texts", steps, [optimizer], 80, shop):
        concepts = shop.draw.choices(range(shop.book.count), k=384)
        texts, targets = shop.sampled(concepts, noise=0.1)
        places = shop.prototypes()
        vectors = shop.texts(texts, DROP, shop.draw)
        loss = functional.cross_entropy(20 * vectors @ places.T, _smoothed(targets, 0.05))
        loss = loss + 0.15 * _kin_loss(places, shop.kin)
        _step(shop, loss, [optimizer], modules)
        average.update()
    average.settle()


def learn_images(shop: Workshop, steps: int) -> None:
    """Stage 2: every picture to its concept's prototype, which stays where it is.

    For most of the time only the 14, later the 20 busiest of the 36 patches are looked at, and
    every other step looks again at one of the last batches: both save time, not quality. Half of
    the batches are changed little: in a short trial the loss began to fall sooner so.
    """
    tower = shop.images
    first = torch.randint(len(shop.gallery.rgba), (600,))
    tower.start_with_components(shop.gallery.augmented(first, shop.augment, 0.5))
    optimizers = _image_optimizers(tower, 0.02, 1.5e-3)
    average = Average([tower], 0.995)
    twin = Twin(tower)
    places = shop.prototypes().detach()
    alike = likeness(places, PICTURES)
    seen: list[tuple[Tensor, Tensor]] = []
    for step, far in enumerate(_schedule("images", steps, optimizers, 100, shop)):
        if step % 2 == 0:
            own = torch.tensor(shop.draw.choices(range(shop.book.count), k=224))
            numbers = shop.gallery.pick(own.tolist(), shop.draw)
            strength = min(1, 0.2 + 1.1 * far) * shop.draw.choice((0.4, 1))
            pixels = shop.gallery.augmented(numbers, shop.augment, strength)
            seen = [*seen[-7:], (pixels, own)]
        else:
            pixels, own = shop.draw.choice(seen)
        vectors = twin(pixels, keep=14 if far < 0.5 else 20 if far < 0.88 else None)
        loss = _placed(vectors, places, alike[own], PICTURES)
        _step(shop, loss, optimizers, [tower], twin)
        average.update()
    average.settle()


def learn_words(shop: Workshop, steps: int) -> None:
    """Stage 3: texts alone, to the finished pictures' means (clean ones and those of the other
    emoji styles) and to the prototypes, with more made-up words to ignore.

    Texts aim at what tells a concept from its kin, while pictures stay beside theirs: so a name
    finds its picture among those of its kin, and a picture its kin.
    """
    shop.images.eval()
    with torch.no_grad():
        places = _apart(shop.prototypes(), shop.kin)
        drawn = functional.normalize(
            _means(shop, shop.gallery.clean_of) + _means(shop, shop.gallery.emoji_of), dim=-1
        )
        drawn = _apart(drawn, shop.kin)
    goals = [(1.0, drawn, likeness(drawn, TEXTS)), (0.5, places, likeness(places, TEXTS))]
    optimizer = AdamW(_groups([(shop.texts, 1e-3)], 0.02), betas=(0.9, 0.98))
    average = Average([shop.texts], 0.98)
    for _ in _schedule("words", steps, [optimizer], 30, shop):
        concepts = shop.draw.choices(range(shop.book.count), k=320)
        texts, targets = shop.sampled(concepts, noise=0.2)
        vectors = shop.texts(texts, DROP, shop.draw)
        losses = [part * _placed(vectors, to, targets @ alike, TEXTS) for part, to, alike in goals]
        _step(shop, torch.stack(losses).sum(), [optimizer], [shop.texts])
        average.update()
    average.settle()


def _apart(places: Tensor, kin: Tensor) -> Tensor:
    """[concepts, DIMS], unit length: each away from the middle of its kin and itself."""
    group = (kin | torch.eye(len(kin), dtype=torch.bool)).float()
    middle = group @ places / group.sum(1, keepdim=True)
    return functional.normalize(places - APART * middle, dim=-1)


def _means(shop: Workshop, pictures_of: Sequence[Sequence[int]]) -> Tensor:
    """[concepts, DIMS]: each concept's pictures as they are; zeros where there are none."""
    return torch.stack(
        [
            shop.images(shop.gallery.on_white(torch.tensor(own))).mean(0)
            if own
            else torch.zeros(shop.prototypes.own.shape[1])
            for own in pictures_of
        ]
    )
