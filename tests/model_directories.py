"""Model directories of the true layout with random weights: what the hub gives, made here.

Weights do not change the layout, the code that runs or its speed; only meaning needs training.
"""

from __future__ import annotations

import json
import os
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgsearch.models.choices import Choice

os.environ.setdefault("HF_HUB_OFFLINE", "1")

Sizes = dict[str, Any]
SMALL_VISION: Sizes = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "image_size": 64,
    "patch_size": 16,
}
SMALL_TEXT: Sizes = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
VIT_B_32: Sizes = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 32,
}
SMALL_DISTILBERT: Sizes = {"dim": 48, "hidden_dim": 96, "n_layers": 2, "n_heads": 3}
DISTILBERT: Sizes = {"dim": 768, "hidden_dim": 3072, "n_layers": 6, "n_heads": 12}
MULTILINGUAL_VOCABULARY = 119_547
GEMMA_VOCABULARY = 256_000

CLIP_MEAN, CLIP_STD = (
    [0.48145466, 0.4578275, 0.40821073],
    [0.26862954, 0.26130258, 0.27577711],
)


def clip_directory(
    folder: Path,
    *,
    vision: Sizes = SMALL_VISION,
    text: Sizes = SMALL_TEXT,
    dims: int = 32,
    seed: int = 0,
    half: bool = False,
    safe: bool = True,
) -> Path:
    """sentence-transformers/clip-ViT-B-32: one CLIPModel module in a folder of its own."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(seed)
    module = folder / "0_CLIPModel"
    module.mkdir(parents=True)
    vocabulary, merges = _byte_pairs()
    end = len(vocabulary) - 1
    config = CLIPConfig(
        text_config={
            **text,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 77,
            "projection_dim": dims,
            "bos_token_id": end - 1,
            "eos_token_id": 2,  # as the hub's configuration says: the highest id ends a text
            "pad_token_id": end,
        },
        vision_config={**vision, "projection_dim": dims},
        projection_dim=dims,
    )
    _save(CLIPModel(config), module, half, safe)
    _write_clip_tokenizer(module, vocabulary, merges)
    preprocessor = {
        "crop_size": vision["image_size"],
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD,
        "resample": 3,
        "size": vision["image_size"],
    }
    _write_json(module / "preprocessor_config.json", preprocessor)
    _write_modules(folder, [("0_CLIPModel", "sentence_transformers.models.CLIPModel")])
    return folder


def multilingual_directory(
    folder: Path,
    *,
    sizes: Sizes = SMALL_DISTILBERT,
    vocabulary_size: int = 2_000,
    dims: int = 32,
    seed: int = 1,
    half: bool = False,
    safe: bool = True,
) -> Path:
    """sentence-transformers/clip-ViT-B-32-multilingual-v1: DistilBERT, mean pooling, Dense."""
    import torch
    from transformers import DistilBertConfig, DistilBertModel, DistilBertTokenizerFast

    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    words = _word_pieces(vocabulary_size)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = DistilBertTokenizerFast(
        str(folder / "vocab.txt"), do_lower_case=False, model_max_length=512
    )
    tokenizer.save_pretrained(str(folder))
    config = DistilBertConfig(vocab_size=len(words), max_position_embeddings=512, **sizes)
    _save(DistilBertModel(config), folder, half, safe)
    _write_json(
        folder / "sentence_bert_config.json", {"max_seq_length": 128, "do_lower_case": False}
    )
    pooling = {"word_embedding_dimension": sizes["dim"], "pooling_mode_mean_tokens": True}
    _write_json(folder / "1_Pooling" / "config.json", pooling)
    dense = {
        "in_features": sizes["dim"],
        "out_features": dims,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    _write_json(folder / "2_Dense" / "config.json", dense)
    weight = torch.randn(dims, sizes["dim"]) / sizes["dim"] ** 0.5
    _save_tensors({"linear.weight": weight}, folder / "2_Dense", half, safe)
    modules = [
        ("", "sentence_transformers.models.Transformer"),
        ("1_Pooling", "sentence_transformers.models.Pooling"),
        ("2_Dense", "sentence_transformers.models.Dense"),
    ]
    _write_modules(folder, modules)
    return folder


def siglip_directory(
    folder: Path,
    *,
    seed: int = 2,
    text: dict[str, int] | None = None,
    vision: dict[str, int] | None = None,
) -> Path:
    """As google/siglip2-base-patch16-224: no sentence-transformers files, a Gemma tokenizer.
    `text`, `vision`: the towers' sizes, small ones by default."""
    import torch
    from transformers import (
        GemmaTokenizerFast,
        SiglipConfig,
        SiglipImageProcessor,
        SiglipModel,
        SiglipProcessor,
    )

    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    tokenizer_file = folder / "words.json"
    size = _write_gemma_tokenizer(tokenizer_file)
    tokenizer = GemmaTokenizerFast(
        tokenizer_file=str(tokenizer_file),
        add_bos_token=False,
        add_eos_token=True,
        padding_side="right",
        model_max_length=64,
        model_input_names=["input_ids"],
    )
    tokenizer_file.unlink()
    text = text or {**SMALL_TEXT, "hidden_size": 48, "num_attention_heads": 3, "vocab_size": size}
    vision = vision or SMALL_VISION
    config = SiglipConfig(
        text_config={
            **text,
            "max_position_embeddings": 64,
            "projection_size": vision["hidden_size"],
        },
        vision_config=vision,
    )
    model = SiglipModel(config)
    _save(model, folder, half=False, safe=True)
    side = vision["image_size"]
    images = SiglipImageProcessor(size={"height": side, "width": side}, resample=2)
    SiglipProcessor(images, tokenizer).save_pretrained(str(folder))
    return folder


def exact_siglip(choice: Choice, folder: Path) -> Path:
    """A model of a choice's true sizes."""
    vision = choice.vision
    shared = {
        "hidden_size": vision.width,
        "intermediate_size": vision.mlp,
        "num_hidden_layers": vision.layers,
        "num_attention_heads": 16 if vision.width == 1152 else 12,
    }
    return siglip_directory(
        folder,
        text={**shared, "vocab_size": GEMMA_VOCABULARY},
        vision={**shared, "image_size": vision.size, "patch_size": vision.patch},
    )


def full_size_pair(folder: Path) -> tuple[Path, Path]:
    """ViT-B/32 (with a small text tower, never used) and the multilingual DistilBERT: 0.9 GB."""
    images, texts = folder / "clip-ViT-B-32", folder / "clip-ViT-B-32-multilingual-v1"
    if not (images / "modules.json").exists():
        clip_directory(images, vision=VIT_B_32, dims=512)
    if not (texts / "modules.json").exists():
        multilingual_directory(
            texts, sizes=DISTILBERT, vocabulary_size=MULTILINGUAL_VOCABULARY, dims=512
        )
    return images, texts


def _save(model: Any, folder: Path, half: bool, safe: bool) -> None:
    """Random weights spread wider than the initial ones, so that vectors differ between inputs."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "embedding" not in name:
                parameter.mul_(3)
            elif name.endswith("bias"):
                parameter.normal_(std=0.1)
    if half:
        model = model.half()
    model.save_pretrained(str(folder), safe_serialization=safe)


def _save_tensors(tensors: dict[str, Any], folder: Path, half: bool, safe: bool) -> None:
    import torch
    from safetensors.torch import save_file

    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
    if safe:
        save_file(tensors, str(folder / "model.safetensors"))
    else:
        torch.save(tensors, folder / "pytorch_model.bin")


def _byte_pairs() -> tuple[dict[str, int], list[str]]:
    from transformers.models.clip.tokenization_clip import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    pairs = [(a, b) for a in string.ascii_lowercase for b in "aeiounrst"]
    pieces = letters + [letter + "</w>" for letter in letters]
    pieces += [a + b for a, b in pairs] + [a + b + "</w>" for a, b in pairs]
    merges = [f"{a} {b}" for a, b in pairs] + [f"{a} {b}</w>" for a, b in pairs]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return {piece: number for number, piece in enumerate(pieces)}, merges


def _write_clip_tokenizer(folder: Path, vocabulary: dict[str, int], merges: list[str]) -> None:
    from transformers import CLIPTokenizerFast

    _write_json(folder / "vocab.json", vocabulary)
    lines = "#version: 0.2\n" + "\n".join(merges) + "\n"
    (folder / "merges.txt").write_text(lines, encoding="utf-8")
    tokenizer = CLIPTokenizerFast(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77
    )
    tokenizer.save_pretrained(str(folder))


def _word_pieces(size: int) -> list[str]:
    """Special tokens, letters of many scripts alone and as continuations, then made-up words."""
    ranges = [(0x21, 0x7F), (0xA1, 0x250), (0x391, 0x3CA), (0x410, 0x460), (0x5D0, 0x5EB)]
    ranges += [(0x620, 0x64B), (0x905, 0x93A), (0x3041, 0x3097), (0x4E00, 0x4E80)]
    letters = [chr(code) for first, last in ranges for code in range(first, last)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    words += ["##" + letter for letter in letters]
    known = set(words)
    number = 0
    while len(words) < size:
        number += 1
        word = "".join(
            string.ascii_lowercase[(number // 26**place) % 26] for place in range(2 + number % 4)
        )
        word = word if number % 2 else "##" + word
        word = word if word not in known else word + str(number)
        known.add(word)
        words.append(word)
    return words[:size]


def _write_gemma_tokenizer(path: Path) -> int:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    letters = sorted(set(string.printable + "äöüßéèñçžůąęЖКОШкаштерї猫の写真🙂▁"))
    pairs = [(a, b) for a in string.ascii_lowercase for b in "aeiou"]
    pieces = specials + letters + [a + b for a, b in pairs]
    pieces += [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, pairs, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Replace("▁", " ")
    tokenizer.save(str(path))
    return len(vocabulary)


def _write_modules(folder: Path, modules: list[tuple[str, str]]) -> None:
    rows = [
        {"idx": number, "name": str(number), "path": path, "type": kind}
        for number, (path, kind) in enumerate(modules)
    ]
    _write_json(folder / "modules.json", rows)


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
