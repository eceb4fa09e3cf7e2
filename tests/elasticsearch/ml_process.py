"""What the server's pytorch_inference process does: loads TorchScript, answers with vectors. Lines
of JSON in and out; imports nothing of the project."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any


def main() -> None:
    warnings.simplefilter("ignore")
    answers = sys.stdout
    sys.stdout = sys.stderr
    models: dict[str, Any] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), models)
        except Exception as error:  # noqa: BLE001 - the server reports whatever libtorch says
            answer = {"error": (str(error).strip().splitlines() or ["?"])[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(asked: dict[str, Any], models: dict[str, Any]) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    if "load" in asked:
        models[asked["id"]] = torch.jit.load(asked["load"], map_location="cpu").eval()
        return {}
    if "unload" in asked:
        models.pop(asked["unload"], None)
        return {}
    ids = torch.tensor([asked["tokens"]], dtype=torch.long)
    inputs = (
        ids,
        torch.ones_like(ids),
        torch.zeros_like(ids),
        torch.arange(ids.shape[1], dtype=torch.long).unsqueeze(0),
    )
    with torch.no_grad():
        vectors = models[asked["id"]](*inputs)
    vectors = vectors[0] if isinstance(vectors, tuple) else vectors
    return {"vector": vectors[0].tolist()}


if __name__ == "__main__":
    main()
