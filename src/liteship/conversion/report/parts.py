"""What the evidence of a conversion is made of: plain values, each with its unit in its name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.errors import LiteshipError


@dataclass(frozen=True, kw_only=True)
class SizeLimit:
    """A platform's limit that the model's size counts towards.

    Attributes:
        name: Such as "Lambda zip file".
        limit_bytes: What is allowed.
        counted: Which of the artifact's sizes counts: `raw` (unpacked) or `zip`.
    """

    name: str
    limit_bytes: int
    counted: Literal["raw", "zip"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric before and after.

    Attributes:
        metric: `accuracy`, `top5`, `mae`, `mse`, or a function's own `module:callable`.
        higher_is_better: Whether a higher value is a better one.
        samples: Number of held-out samples.
        source: Of the source model.
        artifact: Of the artifact, through the deployed predictor.
        max_drop: What may be lost: lower by that much, or higher where lower is better.
    """

    metric: str
    higher_is_better: bool = True
    samples: int
    source: float
    artifact: float
    max_drop: float

    @property
    def drop(self) -> float:
        """What the conversion lost; negative if it gained."""
        return (self.source - self.artifact) * (1 if self.higher_is_better else -1)

    @property
    def within_budget(self) -> bool:
        """Whether no more than `max_drop` was lost; False for what is no number."""
        return self.drop <= self.max_drop + 1e-9


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often samples of one class were taken for another.

    Attributes:
        classes: Names, in the order of the model's outputs.
        cells: (labelled class, predicted class, samples) where there are any, in that order: a matrix
            of 1,000 classes has a million cells, nearly all of them 0.
    """

    classes: tuple[str, ...]
    cells: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class OutputComparison:
    """One output of the artifact beside the source's, on the same samples.

    Attributes:
        name: Of the output.
        data: Whose samples: `calibration` or `evaluation`.
        samples: How many.
        similarity: Cosine similarity of all values; None where values are not finite.
        top1_agreement: Share of samples with the same greatest value; None for one that is no
            classification.
        max_error: Greatest absolute difference.
        rms_error: Root of the mean squared difference.
        not_finite: Values that are NaN or infinite on either side; they are in no other figure.
        histogram_least: Lower end of the first bin, artifact minus source.
        histogram_greatest: Upper end of the last bin; all bins are equally wide.
        histogram: Values in each bin.
    """

    name: str
    data: str
    samples: int
    similarity: float | None
    top1_agreement: float | None
    max_error: float
    rms_error: float
    not_finite: int
    histogram_least: float
    histogram_greatest: float
    histogram: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ChangedSample:
    """A sample that the artifact answers otherwise than the source.

    Attributes:
        index: In the data set, from 0.
        label: What it is; None where nobody says.
        source: The source's answer: a class, or a number.
        artifact: The artifact's.
        difference: Greatest absolute difference between their outputs.
        was_right: Whether the source's answer is the label; None without classes or label.
        is_right: The same of the artifact's.
        thumbnail: `data:image/png;base64,…` of a picture.
        features: Name and value of a table's columns, the first ones.
    """

    index: int
    label: str | None
    source: str
    artifact: str
    difference: float
    was_right: bool | None = None
    is_right: bool | None = None
    thumbnail: str | None = None
    features: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChangedSamples:
    """The samples that changed class, or, of a model without classes, those that moved most.

    Attributes:
        kind: `class` or `value`.
        samples: How many were compared.
        changed: How many of them changed class; of values, how many are not equal.
        worst: The worst of them, worst first.
    """

    kind: Literal["class", "value"]
    samples: int
    changed: int
    worst: tuple[ChangedSample, ...]


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """How far an operator's result is from the float model's.

    Attributes:
        operator: Such as `CONV_2D`.
        tensor: Name of its result in the float model.
        dtype: Of its result in the artifact.
        in_float: Whether the artifact computes it in floating point alone, without quantized weights.
        rmse: Root of the mean squared difference of the real values; None where not finite.
        relative_error: rmse over the standard deviation of the float values; None for a constant.
        sqnr_db: Signal-to-quantization-noise ratio; None where there is no noise, or no signal.
    """

    operator: str
    tensor: str
    dtype: str
    in_float: bool
    rmse: float | None
    relative_error: float | None
    sqnr_db: float | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> LayerError:
        """What `as_dict` gave."""
        return cls(**fields)


@dataclass(frozen=True, kw_only=True)
class FloatRemainder:
    """A tensor that the repair left in float.

    Attributes:
        operator: That makes it, such as `SUB`.
        tensor: Its name.
    """

    operator: str
    tensor: str


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What was excluded from quantization to keep the budget, and what that cost.

    Attributes:
        left_in_float: In the order in which they were excluded.
        cost_bytes: How much larger the artifact became.
        score_before: The metric of the artifact without the repair; None if it was not measured.
        cause: Why it was needed, and how to do without it.
    """

    left_in_float: tuple[FloatRemainder, ...]
    cost_bytes: int
    score_before: float | None = None
    cause: str | None = None


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds one inference takes on the machine that converted.

    Attributes:
        machine: Processor and number of threads.
        runs: How many were timed.
        median_ms: Half of them took no longer.
        p99_ms: 99 of 100 took no longer.
        least_ms: The fastest.
        greatest_ms: The slowest.
    """

    machine: str
    runs: int
    median_ms: float
    p99_ms: float
    least_ms: float
    greatest_ms: float


@dataclass(frozen=True, kw_only=True)
class ChannelCoverage:
    """How one channel (or column) of an input uses the integers it is given.

    Attributes:
        input: Name of the input.
        channel: Place on the input's last axis.
        calibrated_least: Least value of the calibration data.
        calibrated_greatest: Greatest value.
        representable_least: Least value that the input tensor can hold; None for one in float.
        representable_greatest: Greatest one.
        steps: Quantization steps from the least calibrated value to the greatest; None in float. A
            column with few of them next to one with many loses its information.
        saturated: Share of evaluation values that cannot be held; None in float or without evaluation.
        unseen: Share of evaluation values outside what calibration saw; None without evaluation.
    """

    input: str
    channel: int
    calibrated_least: float
    calibrated_greatest: float
    representable_least: float | None
    representable_greatest: float | None
    steps: float | None
    saturated: float | None
    unseen: float | None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The error that kept the artifact from being written.

    Attributes:
        reference: Such as `accuracy-budget`.
        message: What could not be done.
        hint: One next step.
        expected: What would have been accepted.
        received: What was found.
        problems: When several things are wrong, all of them.
    """

    reference: str
    message: str
    hint: str
    expected: str | None = None
    received: str | None = None
    problems: tuple[str, ...] = ()

    @classmethod
    def from_error(cls, error: LiteshipError) -> Refusal:
        """What an error says."""
        return cls(
            reference=error.reference,
            message=error.message,
            hint=error.hint,
            expected=error.expected,
            received=error.received,
            problems=error.problems,
        )
