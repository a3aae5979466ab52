"""Small PyTorch models with fixed weights; the factories that a user would write."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

torch.manual_seed(1)


class Classifier(nn.Module):  # type: ignore[misc]
    """Takes NCHW pictures; in training mode, dropout and batch normalisation would show."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.5)
        self.dense = nn.Linear(8 * 5 * 4, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Scores for NCHW pictures of shape (batch, 3, 10, 8)."""
        features = torch.max_pool2d(torch.relu(self.norm(self.convolution(image))), 2)
        return torch.softmax(self.dense(self.dropout(torch.flatten(features, 1))), dim=-1)


class Recurrent(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 8, batch_first=True)
        self.dense = nn.Linear(8, 2)

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        return self.dense(self.lstm(sequence)[0][:, -1])


class Pair(nn.Module):  # type: ignore[misc]
    """Integer ids and a float vector in; a dict out."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)
        self.dense = nn.Linear(11, 2)

    def forward(self, ids: torch.Tensor, extra: torch.Tensor) -> Any:
        scores = self.dense(torch.cat([self.table(ids).mean(1), extra], dim=1))
        return {"scores": scores, "best": scores.argmax(dim=1)}


class Masks(nn.Module):  # type: ignore[misc]
    """A picture in, a picture and a number out."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 5, 3)

    def forward(self, image: torch.Tensor) -> Any:
        mask = self.convolution(image)
        return mask, mask.mean(dim=(1, 2, 3)).reshape(-1, 1)


class Optional(nn.Module):  # type: ignore[misc]
    """What may be left out stands between what may not; and an input by keyword alone."""

    def forward(
        self,
        first: torch.Tensor,
        mask: torch.Tensor | None = None,
        second: torch.Tensor | None = None,
        *,
        third: torch.Tensor | None = None,
    ) -> Any:
        assert mask is None
        assert second is not None
        assert third is not None
        return first - 2 * second + 3 * third


class Determinant(nn.Module):  # type: ignore[misc]
    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        return torch.linalg.det(matrix)


class Undecided(nn.Module):  # type: ignore[misc]
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values if values.sum() > 0 else -values


class Rolling(nn.Module):  # type: ignore[misc]
    """A loop whose end is known only while it runs."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        total = values
        while bool(total.sum() < 100):
            total = total * 2 + 1
        return total


def classifier() -> Any:
    return Classifier(), torch.rand(4, 3, 10, 8)


def without_example() -> Any:
    return Classifier()


def mlp() -> Any:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), torch.rand(1, 4)


def recurrent() -> Any:
    return Recurrent(), torch.rand(1, 5, 4)


def pair() -> Any:
    return Pair(), (torch.randint(0, 50, (1, 6)), torch.rand(1, 3))


def masks() -> Any:
    return Masks(), {"image": torch.rand(1, 3, 8, 8)}


def optional() -> Any:
    return Optional(), {name: torch.rand(1, 4) for name in ("first", "second", "third")}


def scripted() -> Any:
    return torch.jit.script(Masks()), torch.rand(1, 3, 8, 8)


def determinant() -> Any:
    return Determinant(), torch.rand(1, 3, 3)


def undecided() -> Any:
    return Undecided(), torch.rand(1, 3)


def stranger() -> Any:
    return Pair(), {"ids": torch.zeros(1, 6, dtype=torch.long), "nonsense": torch.rand(1, 3)}


def number() -> Any:
    return 3


def broken() -> Any:
    message = "no weights here"
    raise FileNotFoundError(message)
