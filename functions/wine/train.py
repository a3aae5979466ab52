"""Trains the wine model by stochastic gradient descent on scikit-learn's 178 bundled analyses.

Writes into `trained/`: PyTorch's exported program, the calibration and the held-out evaluation set as
tables in CSV, and a held-out request as CSV and as JSON, all as callers send them. The normalisation is
the model's first step, with mean and deviation of the training part: callers send raw measurements. It
needs PyTorch, and README.md says where that is, and what to change for your own data.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SEED = 7
# These three by cross-validation within the training part; the held-out wines had no say
EPOCHS = 40
BATCH = 8
LEARNING_RATE = 0.03
OUTPUT = Path(__file__).parent / "trained"


def load_measurements() -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
    """Analyses as callers send them: float32 of shape (178, 13), each column in its unit; classes 0-2.

    The columns: https://scikit-learn.org/stable/datasets/toy_dataset.html#wine-recognition-dataset.
    """
    wine = load_wine()
    return wine.data.astype(np.float32), wine.target, list(wine.feature_names)


class Classifier(nn.Module):  # type: ignore[misc]  # PyTorch is not looked into
    """Normalisation and three dense layers: 2,179 trained parameters.

    Args:
        mean: Of each column, in its unit.
        deviation: Of each column, in its unit.
    """

    def __init__(self, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.layers = nn.Sequential(
            nn.Linear(13, 32),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(32, 48),
            nn.ReLU(),
            nn.Linear(48, 3),
        )

    def logits(self, measurements: torch.Tensor) -> torch.Tensor:
        """What the loss takes: float32 of shape (batch, 3)."""
        scores: torch.Tensor = self.layers((measurements - self.mean) / self.deviation)
        return scores

    def forward(self, measurements: torch.Tensor) -> torch.Tensor:
        """Probabilities, float32 of shape (batch, 3), of raw measurements of shape (batch, 13)."""
        return torch.softmax(self.logits(measurements), dim=-1)


def fit(model: Classifier, measurements: torch.Tensor, cultivars: torch.Tensor) -> None:
    """Trains by stochastic gradient descent with momentum; the rate falls along a cosine to 0."""
    batches = -(-len(measurements) // BATCH)
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * batches)
    for epoch in range(EPOCHS):
        losses = []
        for rows in torch.randperm(len(measurements)).split(BATCH):
            loss = nn.functional.cross_entropy(model.logits(measurements[rows]), cultivars[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}/{EPOCHS} loss {np.mean(losses):.4f}", flush=True)


def main() -> None:
    """Trains, prints the held-out accuracy, writes the files."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # its sums vary with the number of threads
    measurements, cultivars, columns = load_measurements()
    train_x, test_x, train_y, test_y = train_test_split(
        measurements, cultivars, test_size=0.3, stratify=cultivars, random_state=SEED
    )
    known = torch.from_numpy(train_x)
    model = Classifier(known.mean(dim=0), known.std(dim=0))
    fit(model, known, torch.from_numpy(train_y))

    model.eval()
    held_out = torch.from_numpy(test_x)
    with torch.no_grad():
        right = model(held_out).argmax(dim=-1).numpy() == test_y
    print(f"held-out accuracy {right.mean():.4f} on {len(test_y)} wines", flush=True)

    OUTPUT.mkdir(exist_ok=True)
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (held_out,), dynamic_shapes={"measurements": {0: batch}})
    torch.export.save(program, OUTPUT / "wine.pt2")
    write_table(OUTPUT / "calibration.csv", columns, train_x.tolist())
    rows = [[*row, int(label)] for row, label in zip(test_x.tolist(), test_y, strict=True)]
    write_table(OUTPUT / "evaluation.csv", [*columns, "label"], rows)
    write_table(OUTPUT / "request.csv", columns, test_x[:1].tolist())
    request = {"inputs": {"measurements": [round(value, 2) for value in test_x[0].tolist()]}}
    (OUTPUT / "request.json").write_text(json.dumps(request) + "\n")


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    """Writes rows of numbers below a header; six digits, which float32 keeps."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([f"{value:.6g}" for value in row] for row in rows)


if __name__ == "__main__":
    main()
