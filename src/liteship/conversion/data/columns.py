"""Which columns of a table are which input, for models that take rows of numbers.

The only input of a model takes every column but the label, in the table's order. Otherwise columns are
named for their input: `NAME`, or `NAME.0`, `NAME.1`, … for one of several features.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from liteship.conversion.data.samples import LABEL, Raw, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from liteship.artifact import TensorSpec
    from liteship.conversion.data.samples import Query

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where in a row each value stands.

    Attributes:
        inputs: Positions of each input's features, by input name.
        whole: Positions that hold whole numbers.
        labels: Positions of the labels: one of a class, one or more of a regression; else none.
        problems: What does not fit, a line each.
    """

    inputs: Mapping[str, Sequence[int]] = field(default_factory=dict)
    whole: frozenset[int] = frozenset()
    labels: Sequence[int] = ()
    problems: Sequence[str] = ()

    @property
    def numbers(self) -> list[int]:
        """Positions of every feature."""
        return [position for each in self.inputs.values() for position in each]


def arrange(header: Sequence[str], query: Query) -> Layout:
    """Finds the columns of every input and of the labels.

    Args:
        header: The columns' names in the table's order.
        query: The model's inputs, and whether labels are wanted.
    """
    problems = _header_problems(header) + _model_problems(query)
    if problems:
        return Layout(problems=problems)
    features = {name: place for place, name in enumerate(header) if not _is_label(name)}
    inputs: dict[str, list[int]] = {}
    for spec in query.specs:
        columns = _columns_of(spec)
        missing = [name for name in columns if name not in features]
        if not missing:
            inputs[spec.name] = [features[name] for name in columns]
        elif len(query.specs) > 1 or len(missing) < len(columns):
            problems.append(f"{spec.name}: the columns {listed(missing)} are missing")
        elif len(features) == len(columns):
            inputs[spec.name] = list(features.values())
        else:
            problems.append(
                f"{spec.name}: expected {len(columns)} columns besides {LABEL}, received "
                f"{len(features)}: {listed(features)}"
            )
    used = {position for each in inputs.values() for position in each}
    strangers = [name for name, place in features.items() if place not in used]
    if strangers and not problems:
        problems.append(f"the columns {listed(strangers)} belong to no input")
    whole = [spec.name for spec in query.specs if np.dtype(spec.dtype).kind != "f"]
    labels, label_problems = _label_columns(header, query)
    return Layout(
        inputs=inputs,
        whole=frozenset(place for name in whole for place in inputs.get(name, ())),
        labels=labels,
        problems=[*problems, *label_problems],
    )


def assemble(
    layout: Layout,
    columns: Mapping[int, NDArray[np.generic]],
    query: Query,
    problems: Sequence[str],
) -> Raw:
    """Puts columns together.

    Args:
        layout: Where they belong.
        columns: Arrays of shape (samples,) by position; those that could not be read are missing.
        query: The model's inputs.
        problems: What could not be read.
    """
    inputs: dict[str, NDArray[np.generic]] = {}
    for spec in query.specs:
        places = layout.inputs.get(spec.name, ())
        if places and all(place in columns for place in places):
            stacked = np.stack([columns[place] for place in places], axis=1)
            inputs[spec.name] = stacked[:, 0] if len(spec.shape) < 2 else stacked
    labels = None
    if layout.labels and all(place in columns for place in layout.labels):
        stacked = np.stack([columns[place] for place in layout.labels], axis=1)
        labels = stacked[:, 0] if stacked.shape[1] == 1 else stacked
    return Raw(inputs=inputs, labels=labels, problems=[*layout.problems, *problems])


def _header_problems(header: Sequence[str]) -> list[str]:
    problems = []
    twice = sorted(name for name, count in Counter(header).items() if name and count > 1)
    if twice:
        problems.append(f"the columns {listed(twice)} are named twice")
    nameless = [str(place) for place, name in enumerate(header) if not name]
    if nameless:
        problems.append(
            f"column {listed(nameless)} has no name; if it is pandas' index: to_csv(…, index=False)"
        )
    features = [name for name in header if not _is_label(name)]
    numbered = features == [str(place) for place in range(len(features))]  # pandas' own names
    if features and not numbered and all(_NUMBER.fullmatch(name) for name in features):
        return [f"the first row, {listed(header)}, holds numbers instead of the columns' names"]
    return problems


def _model_problems(query: Query) -> list[str]:
    problems = [
        f"{spec}: rows of a table are inputs of shape (batch,) or (batch, features); use .npz"
        for spec in query.specs
        if len(spec.shape) > 2
    ]
    if query.is_labelled and any(_is_label(name) for name in query.names):
        problems.append(f"an input named {LABEL} cannot be told from the labels; use module:callable")
    return problems


def _label_columns(header: Sequence[str], query: Query) -> tuple[list[int], list[str]]:
    if not query.is_labelled:
        return [], []
    places = [place for place, name in enumerate(header) if _is_label(name)]
    if not places:
        return [], [f"there is no column {LABEL}"]
    if query.classification and len(places) > 1:
        return [], [f"expected one column {LABEL}, received {len(places)}"]
    return places, []


def _columns_of(spec: TensorSpec) -> list[str]:
    if len(spec.shape) < 2 or spec.item_shape[1] == 1:
        return [spec.name]
    return [f"{spec.name}.{place}" for place in range(spec.item_shape[1])]


def _is_label(name: str) -> bool:
    return re.fullmatch(rf"{LABEL}(\.\d+)?", name) is not None
