"""Logits as the labels and scores that a classifier's clients want."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a model's `model/model.json` says."""
    manifest: dict[str, Any] = json.loads((folder / "model" / "model.json").read_text())
    return manifest


def best(logits: NDArray[np.float32], labels: list[str]) -> list[dict[str, Any]]:
    """The three best labels and their softmax, the best one first; all of a handful."""
    exponentials = np.exp(logits - logits.max())
    scores = exponentials / exponentials.sum()
    order = np.argsort(-scores)[: 3 if len(labels) > 4 else None]
    return [{"label": labels[index], "score": float(scores[index])} for index in order]
