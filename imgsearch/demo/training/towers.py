"""The two towers: how they are built, called in training, and saved as sentence-transformers."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    DistilBertConfig,
    DistilBertModel,
    DistilBertTokenizerFast,
)

from imgsearch.demo.training.augmentation import MEAN, SIDE, STD
from imgsearch.demo.training.pieces import LONGEST, SPECIAL, WordPieces

WIDTH = 192
DIMS = 128
TEXT_LAYERS = 3
IMAGE_LAYERS = 5
PATCH = 16


class TextTower(nn.Module):
    """DistilBERT, mean pooling and a Dense layer, as in clip-ViT-B-32-multilingual-v1."""

    def __init__(self, word_pieces: WordPieces) -> None:
        super().__init__()
        self.word_pieces = word_pieces
        self.config = DistilBertConfig(
            vocab_size=len(word_pieces.vocabulary),
            dim=WIDTH,
            hidden_dim=3 * WIDTH,
            n_layers=TEXT_LAYERS,
            n_heads=3,
            max_position_embeddings=64,
            attention_dropout=0.0,
            attn_implementation="eager",  # faster than sdpa at this width on a CPU
        )
        self.transformer = DistilBertModel(self.config)
        self.dense = nn.Linear(WIDTH, DIMS, bias=False)

    def forward(
        self, texts: Sequence[str], drop: float = 0.0, draw: random.Random | None = None
    ) -> Tensor:
        """[texts, DIMS], unit length. Short and long texts go apart: padding costs time."""
        ids = self.word_pieces.encode(texts, drop, draw or random.Random(0))
        length = (ids != 0).sum(1)
        order = length.argsort()
        pooled = torch.cat(
            [self._pooled(ids[part, : int(length[part].max())]) for part in order.chunk(4)]
        )
        return functional.normalize(self.dense(pooled)[order.argsort()], dim=-1)

    def _pooled(self, ids: Tensor) -> Tensor:
        mask = (ids != 0).long()
        with torch.autocast("cpu", torch.bfloat16):
            tokens = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled: Tensor = (tokens.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return pooled


def cut(pixels: Tensor) -> Tensor:
    """[n, 3, SIDE, SIDE] -> [n, patches, 3 * PATCH * PATCH]"""
    n, across = len(pixels), SIDE // PATCH
    squares = pixels.view(n, 3, across, PATCH, across, PATCH)
    return squares.permute(0, 2, 4, 1, 3, 5).reshape(n, across * across, -1)


class ImageTower(nn.Module):
    """CLIP's vision transformer with its projection."""

    def __init__(self) -> None:
        super().__init__()
        self.config = CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=3 * WIDTH,
            num_hidden_layers=IMAGE_LAYERS,
            num_attention_heads=3,
            image_size=SIDE,
            patch_size=PATCH,
            projection_dim=DIMS,
            hidden_act="gelu",  # faster than quick_gelu on a CPU
            attn_implementation="eager",
        )
        self.clip = CLIPVisionModelWithProjection(self.config)
        self._start_with_waves()

    def _start_with_waves(self) -> None:
        """Sines as first positions: learning them from noise would cost a third of the time."""
        side, quarter = SIDE // PATCH, WIDTH // 4
        rate = 1 / 100 ** (torch.arange(quarter) / quarter)
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        waves = [
            wave(place.flatten()[:, None] * rate)
            for place in (columns, rows)
            for wave in (torch.sin, torch.cos)
        ]
        positions = torch.zeros(side * side + 1, WIDTH)
        positions[1:] = 0.4 * torch.cat(waves, 1)
        embedding = self.clip.vision_model.embeddings.position_embedding
        with torch.no_grad():
            embedding.weight.copy_(positions)

    @torch.no_grad()
    def start_with_components(self, pixels: Tensor) -> None:
        """The principal components of real patches, whitened, as first patch embedding.

        From noise, the brightness of the ground would drown everything else for long.
        """
        patches = cut(pixels).flatten(0, 1)
        patches = patches - patches.mean(0)
        _, strength, directions = torch.linalg.svd(
            patches[torch.randperm(len(patches))[:8000]], full_matrices=False
        )
        spread = (strength / 8000**0.5)[:WIDTH, None].clamp_min(0.15)
        mix = torch.linalg.qr(torch.randn(WIDTH, WIDTH))[0]
        weight = self.clip.vision_model.embeddings.patch_embedding.weight
        weight.copy_((0.4 * mix @ (directions[:WIDTH] / spread)).view_as(weight))

    def forward(self, pixels: Tensor, keep: int | None = None) -> Tensor:
        """[n, 3, SIDE, SIDE], normalised -> [n, DIMS], unit length, float32.

        The same arithmetic as the class it trains, with the patches cut by a reshape (the
        convolution's backward pass is slow). With `keep`, only so many patches are looked at,
        those with most to see: an icon leaves half of its square empty.
        """
        vision = self.clip.vision_model
        embeddings = vision.embeddings
        n = len(pixels)
        weight = embeddings.patch_embedding.weight
        patches = cut(pixels).to(weight.dtype)
        places = embeddings.position_embedding.weight
        tokens = patches @ weight.flatten(1).T + places[1:]
        if keep is not None:
            seen = patches[:, :, ::12].float()  # every twelfth value is enough to tell
            busy = seen.std(2) * (0.5 + torch.rand(tokens.shape[:2]))
            kept = busy.topk(keep, 1).indices[:, :, None]
            tokens = tokens.gather(1, kept.expand(-1, -1, WIDTH))
        first = (embeddings.class_embedding + places[0]).expand(n, 1, -1)
        hidden = vision.pre_layrnorm(torch.cat([first, tokens], 1))
        hidden = vision.encoder(inputs_embeds=hidden).last_hidden_state
        vectors = self.clip.visual_projection(vision.post_layernorm(hidden[:, 0]))
        return functional.normalize(vectors.float(), dim=-1)


class Twin:
    """A bfloat16 copy of a tower that does the arithmetic; the tower keeps the exact weights."""

    def __init__(self, tower: ImageTower) -> None:
        self.tower = tower
        self.copy = copy.deepcopy(tower).bfloat16()

    def __call__(self, pixels: Tensor, keep: int | None = None) -> Tensor:
        """The tower's vectors, with today's weights."""
        with torch.no_grad():
            for exact, rough in zip(self.tower.parameters(), self.copy.parameters(), strict=True):
                rough.copy_(exact)
                rough.grad = None
        vectors: Tensor = self.copy(pixels, keep)
        return vectors

    def hand_over(self) -> None:
        """Give the tower the gradients of the copy."""
        for exact, rough in zip(self.tower.parameters(), self.copy.parameters(), strict=True):
            exact.grad = None if rough.grad is None else rough.grad.float()


class Prototypes(nn.Module):
    """The place of every concept: its own direction plus that of its kin."""

    def __init__(self, kin: Sequence[str], strength: float = 0.8) -> None:
        super().__init__()
        groups = sorted(set(kin))
        self.group: Tensor
        self.register_buffer("group", torch.tensor([groups.index(name) for name in kin]))
        self.strength = strength
        self.own = nn.Parameter(torch.randn(len(kin), DIMS) * 0.1)
        self.shared = nn.Parameter(torch.randn(len(groups), DIMS) * 0.1)

    def forward(self) -> Tensor:
        """[concepts, DIMS], unit length."""
        shared = functional.normalize(self.shared, dim=-1)[self.group]
        return functional.normalize(
            functional.normalize(self.own, dim=-1) + self.strength * shared, dim=-1
        )


# --- saving


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _half(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: value.detach().half().contiguous() if value.is_floating_point() else value
        for name, value in module.state_dict().items()
    }


def _write_weights(module: nn.Module, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_half(module), folder / "model.safetensors", metadata={"format": "pt"})


def save_text_tower(tower: TextTower, folder: Path) -> None:
    """Write modules.json, DistilBERT at the top, 1_Pooling and 2_Dense."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(tower.word_pieces.vocabulary) + "\n", "utf-8")
    tokenizer = DistilBertTokenizerFast(
        vocab_file=str(vocabulary),
        do_lower_case=True,
        model_max_length=LONGEST,
        **dict(
            zip(
                ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"),
                SPECIAL,
                strict=True,
            )
        ),
    )
    tokenizer.save_pretrained(folder)
    _write_weights(tower.transformer, folder)
    config = tower.config.to_diff_dict()
    _write(folder / "config.json", {**config, "architectures": ["DistilBertModel"]})
    _write(
        folder / "sentence_bert_config.json", {"max_seq_length": LONGEST, "do_lower_case": False}
    )
    _write(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True},
    )
    _write(
        folder / "2_Dense" / "config.json",
        {
            "in_features": WIDTH,
            "out_features": DIMS,
            "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity",
        },
    )
    save_file({"linear.weight": _half(tower.dense)["weight"]}, folder / "2_Dense/model.safetensors")
    _write_modules(folder, {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense"})


def save_image_tower(tower: ImageTower, folder: Path) -> None:
    """Write modules.json and 0_CLIPModel.

    The class wants a text tower too: a tiny one with random weights, never to be asked.
    """
    shutil.rmtree(folder, ignore_errors=True)
    inner = folder / "0_CLIPModel"
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["<pad>", "<|startoftext|>", "<|endoftext|>", *letters, *(c + "</w>" for c in letters)]
    dummy = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=8,
        projection_dim=DIMS,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    config = CLIPConfig(
        text_config=dummy.to_dict(), vision_config=tower.config.to_dict(), projection_dim=DIMS
    )
    model = CLIPModel(config)
    model.vision_model.load_state_dict(tower.clip.vision_model.state_dict())
    model.visual_projection.load_state_dict(tower.clip.visual_projection.state_dict())
    _write_weights(model, inner)
    _write(inner / "config.json", {**config.to_diff_dict(), "architectures": ["CLIPModel"]})
    processor = CLIPImageProcessor(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=MEAN.tolist(),
        image_std=STD.tolist(),
    )
    processor.save_pretrained(inner)
    _write(inner / "vocab.json", {token: number for number, token in enumerate(tokens)})
    (inner / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    end = "<|endoftext|>"
    special = {"bos_token": "<|startoftext|>", "eos_token": end, "unk_token": end, "pad_token": end}
    _write(inner / "special_tokens_map.json", special)
    _write(
        inner / "tokenizer_config.json",
        {**special, "model_max_length": 8, "tokenizer_class": "CLIPTokenizer"},
    )
    _write_modules(folder, {"0_CLIPModel": "CLIPModel"})


def _write_modules(folder: Path, modules: dict[str, str]) -> None:
    _write(
        folder / "modules.json",
        [
            {
                "idx": number,
                "name": str(number),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for number, (path, kind) in enumerate(modules.items())
        ],
    )
    _write(folder / "config_sentence_transformers.json", {"prompts": {}})
