"""Model folders that try to run code: each writes a canary file where it gets so far."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Harm = Callable[[Path, Path], None]  # (a good text model's folder to spoil, the canary)

CODE = """
from pathlib import Path
Path({canary!r}).write_text("code ran")
from sentence_transformers.models import Normalize
class Evil(Normalize):
    pass
"""


class _Payload:
    """Writes the canary when it is unpickled without restraint."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.canary, "code ran")


def _code(folder: Path, canary: Path) -> None:
    (folder / "evil.py").write_text(CODE.format(canary=str(canary)))


def _edit(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    change(content)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def _add_module(folder: Path, path: str, kind: str) -> None:
    row = {"idx": 9, "name": "9", "path": path, "type": kind}
    _edit(folder / "modules.json", lambda rows: rows.append(row))


def class_of_its_own(folder: Path, canary: Path) -> None:
    _code(folder, canary)
    _add_module(folder, "", "evil.Evil")


def class_by_way_of_another_package(folder: Path, canary: Path) -> None:
    """A SentenceTransformer as a module: a folder in the folder, with classes of its own."""
    inner = folder / "9_Inner"
    shutil.copytree(folder, inner)
    class_of_its_own(inner, canary)
    _add_module(folder, "9_Inner", "sentence_transformers.SentenceTransformer")


def class_in_a_router(folder: Path, canary: Path) -> None:
    _code(folder, canary)
    config = {
        "types": {"0_Evil": "evil.Evil"},
        "structure": {"text": ["0_Evil"]},
        "parameters": {"default_route": "text"},
    }
    _edit(folder / "9_Router" / "router_config.json", lambda content: content.update(config))
    (folder / "9_Router" / "0_Evil").mkdir()
    _add_module(folder, "9_Router", "sentence_transformers.models.Router")


def class_of_a_tokenizer(folder: Path, canary: Path) -> None:
    _code(folder, canary)
    config = {"tokenizer_class": "evil.Evil", "update_embeddings": False, "max_seq_length": 9}
    _edit(folder / "9_Words" / "wordembedding_config.json", lambda content: content.update(config))
    _add_module(folder, "9_Words", "sentence_transformers.models.WordEmbeddings")


def activation_of_its_own(folder: Path, canary: Path) -> None:
    _edit(
        folder / "2_Dense" / "config.json",
        lambda content: content.update(activation_function="torch.hub._get_torch_home"),
    )


def auto_map(folder: Path, canary: Path) -> None:
    _code(folder, canary)
    names = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}
    _edit(folder / "config.json", lambda content: content.update(model_type="evil", auto_map=names))


def trust_remote_code(folder: Path, canary: Path) -> None:
    auto_map(folder, canary)
    _edit(
        folder / "sentence_bert_config.json",
        lambda content: content.update(model_args={"trust_remote_code": True}),
    )
    _edit(folder / "config.json", lambda content: content.pop("auto_map"))


def pickle_as_weights(folder: Path, canary: Path) -> None:
    import torch

    (folder / "model.safetensors").unlink()
    torch.save({"weight": _Payload(canary)}, folder / "pytorch_model.bin")


def pickle_as_weights_of_a_layer(folder: Path, canary: Path) -> None:
    pickle_as_weights(folder / "2_Dense", canary)


def pickle_read_without_restraint(folder: Path, canary: Path) -> None:
    pickle_as_weights(folder, canary)
    _edit(
        folder / "sentence_bert_config.json",
        lambda content: content.update(model_args={"weights_only": False}),
    )


def kernels_from_the_hub(folder: Path, canary: Path) -> None:
    _edit(
        folder / "config.json",
        lambda content: content.update(attn_implementation="somebody/attention"),
    )


def module_outside(folder: Path, canary: Path) -> None:
    outside = folder.with_name("outside")
    shutil.move(folder / "2_Dense", outside)
    _edit(folder / "modules.json", lambda rows: rows[2].update(path="../outside"))


def module_at_an_absolute_path(folder: Path, canary: Path) -> None:
    outside = folder.with_name("outside")
    shutil.move(folder / "2_Dense", outside)
    _edit(folder / "modules.json", lambda rows: rows[2].update(path=str(outside)))


def module_behind_a_link(folder: Path, canary: Path) -> None:
    outside = folder.with_name("outside")
    shutil.move(folder / "2_Dense", outside)
    (folder / "2_Dense").symlink_to(outside)


def file_behind_a_link(folder: Path, canary: Path) -> None:
    outside = folder.with_name("outside.txt")
    shutil.move(folder / "vocab.txt", outside)
    (folder / "vocab.txt").symlink_to(outside)


def shard_outside(folder: Path, canary: Path) -> None:
    outside = folder.with_name("outside.safetensors")
    shutil.move(folder / "model.safetensors", outside)
    shards = {"metadata": {}, "weight_map": {"a": "../outside.safetensors"}}
    _edit(folder / "model.safetensors.index.json", lambda content: content.update(shards))


def tokenizer_from_elsewhere(folder: Path, canary: Path) -> None:
    outside = folder.with_name("outside")
    shutil.copytree(folder, outside)
    _edit(
        folder / "sentence_bert_config.json",
        lambda content: content.update(tokenizer_name_or_path=str(outside)),
    )


def vocabulary_from_elsewhere(folder: Path, canary: Path) -> None:
    outside = folder.with_name("outside.txt")
    shutil.copy(folder / "vocab.txt", outside)
    _edit(folder / "tokenizer_config.json", lambda content: content.update(vocab_file=str(outside)))


def adapter_of_another_model(folder: Path, canary: Path) -> None:
    config = {"base_model_name_or_path": "somebody/model", "peft_type": "LORA"}
    _edit(folder / "adapter_config.json", lambda content: content.update(config))


def pipe_for_a_file(folder: Path, canary: Path) -> None:
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    os.mkfifo(folder / "special_tokens_map.json")


WOULD_RUN_CODE: list[Harm] = [
    class_of_its_own,
    class_by_way_of_another_package,
    class_in_a_router,
    class_of_a_tokenizer,
    activation_of_its_own,
    auto_map,
    trust_remote_code,
    pickle_read_without_restraint,
    kernels_from_the_hub,
]
PICKLES: list[Harm] = [pickle_as_weights, pickle_as_weights_of_a_layer]
OUTSIDE: list[Harm] = [
    module_outside,
    module_at_an_absolute_path,
    module_behind_a_link,
    file_behind_a_link,
    shard_outside,
    tokenizer_from_elsewhere,
    vocabulary_from_elsewhere,
    adapter_of_another_model,
    pipe_for_a_file,
]
