"""What a user may ask of fine-tuning; no framework is imported."""

from __future__ import annotations

from dataclasses import dataclass

from liteship.conversion.shrinking.schedule import require_sparsity
from liteship.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class ShrinkOptions:
    """How a trained model is fine-tuned so that it can be smaller. The defaults: decision record 11.

    Attributes:
        sparsity: Share of each prunable kernel that becomes zero, from 0, below 1; None prunes nothing.
        quantization_aware: Round weights and activations in training as int8 will.
        epochs: Passes over the training data.
        batch_size: Samples a step.
        learning_rate: Of Adam at the beginning; it falls to zero along a cosine.
        seed: Of the order of the samples and of dropout.
    """

    sparsity: float | None = None
    quantization_aware: bool = False
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses settings that cannot train.

        Raises:
            ConfigurationError: `sparsity-invalid` or `fine-tune-invalid`.
        """
        if self.sparsity is not None:
            require_sparsity(self.sparsity)
        problems = []
        if self.epochs < 1:
            problems.append(f"epochs: at least 1, received {self.epochs}")
        if self.batch_size < 1:
            problems.append(f"batch_size: at least 1, received {self.batch_size}")
        if not 0 < self.learning_rate < float("inf"):
            problems.append(f"learning_rate: above 0, received {self.learning_rate}")
        if self.seed < 0:
            problems.append(f"seed: 0 or above, received {self.seed}")
        if problems:
            raise ConfigurationError(
                "fine-tune-invalid",
                "a model cannot be fine-tuned with these settings",
                problems=problems,
                hint="leave them out to use the defaults",
            )
