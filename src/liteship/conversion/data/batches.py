"""Data that a function of the user's own yields, batch by batch: `module:callable`."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from liteship.conversion.data.samples import LABEL, Raw, require_size
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from liteship.conversion.data.samples import Purpose, Query, Samples

_HINT = "yield dictionaries of arrays by input name; with labels, tuples (inputs, labels)"


class _Unusable(Exception):  # noqa: N818  # never leaves this module
    """A batch that is none."""


def check_callable(reference: str, purpose: Purpose, folder: Path | None) -> None:
    """Looks for the module without running it; its packages are imported.

    Raises:
        CalibrationError: `…-callable`.
    """
    module = reference.partition(":")[0]
    with _importable(folder):
        try:
            found = importlib.util.find_spec(module)
        except (Exception, SystemExit) as error:  # a package's __init__ is the user's own code
            raise _failed(reference, purpose, f"importing {module}: {_told(error)}") from error
    if found is None:
        places = " or ".join(str(place) for place in _places(folder))
        raise _failed(reference, purpose, f"there is no module {module} in {places}")


def read_batches(reference: str, query: Query) -> Raw:
    """Calls it without arguments and takes batches until there are enough samples.

    It is the callable's business to mix its samples: the first ones are taken, for it may have no end.

    Raises:
        CalibrationError: `…-callable`, or `…-too-large` for one without an end whose samples are not
            limited.
    """
    collected = _Collected(query)
    step = "importing it"
    with _importable(query.folder):
        try:
            function = _function(reference)
            step = "calling it"
            batches = _iterated(function())
            step = "batch 0"
            for index, batch in enumerate(batches):
                collected.add(batch)
                require_size(collected.size_bytes, reference, query.purpose)
                if query.samples is not None and collected.count >= query.samples:
                    break
                step = f"batch {index + 1}"
            if isinstance(batches, Iterator) and hasattr(batches, "close"):
                step = "closing it"
                batches.close()
        except CalibrationError:
            raise
        except (Exception, SystemExit) as error:  # it is the user's own code
            raise _failed(reference, query.purpose, f"{step}: {_told(error)}") from error
    if not collected.count:
        raise _failed(reference, query.purpose, "it yields nothing")
    return collected.raw()


class _Collected:
    """Samples so far."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._inputs: dict[str, list[NDArray[Any]]] = {name: [] for name in query.names}
        self._labels: list[NDArray[Any]] = []
        self.count = 0
        self.size_bytes = 0

    def add(self, batch: object) -> None:
        """Takes one batch.

        Raises:
            _Unusable: Says what is wrong with it.
        """
        inputs, labels = _divided(batch, self._query)
        samples = {name: self._samples(name, values) for name, values in inputs.items()}
        lengths = {name: len(each) for name, each in samples.items()}
        if self._query.is_labelled:
            rows = _rows(labels, LABEL)
            _require_alike(LABEL, [*self._labels[:1], *rows])
            lengths[LABEL] = len(rows)
            self._labels += rows
        if len(set(lengths.values())) != 1 or 0 in lengths.values():
            msg = f"expected one length above 0, received {lengths}"
            raise _Unusable(msg)
        for name, rows in samples.items():
            self._inputs[name] += rows
            self.size_bytes += sum(row.nbytes for row in rows)
        self.count += lengths[self._query.names[0]]

    def raw(self) -> Raw:
        """All of them; pictures of different sizes as a list."""
        limit = self._query.samples
        inputs = {name: _joined(rows[:limit]) for name, rows in self._inputs.items()}
        return Raw(inputs=inputs, labels=np.stack(self._labels[:limit]) if self._labels else None)

    def _samples(self, name: str, values: Any) -> list[NDArray[Any]]:
        if self._query.takes_pictures and isinstance(values, (list, tuple)):
            pictures = [_array(picture, name) for picture in values]
            for picture in pictures:
                _require_picture(name, picture)
            return pictures
        rows = _rows(values, name)
        together = [*self._inputs[name][:1], *rows]
        if not self._query.takes_pictures:
            _require_alike(name, together)
        elif len({row.shape for row in together}) > 1:
            for picture in together:
                _require_picture(name, picture)
        return rows


def _divided(batch: object, query: Query) -> tuple[Mapping[str, Any], Any]:
    """A batch's inputs by name, and its labels where there are any."""
    names, labels = query.names, None
    if isinstance(batch, list) and len(batch) == 2 and all(map(_is_part, batch)):
        batch = tuple(batch)  # as PyTorch's DataLoader gives pairs
    if isinstance(batch, tuple):
        if len(batch) != 2:
            msg = f"expected (inputs, labels), received a tuple of {len(batch)}"
            raise _Unusable(msg)
        batch, labels = batch
    elif isinstance(batch, Mapping) and LABEL in batch and LABEL not in names:
        labels = batch[LABEL]
        batch = {name: values for name, values in batch.items() if name != LABEL}
    if not isinstance(batch, Mapping):
        if len(names) != 1:
            msg = f"expected a dictionary with the inputs {names}, received {type(batch).__name__}"
            raise _Unusable(msg)
        batch = {names[0]: batch}
    if set(batch) != set(names):
        msg = f"expected the inputs {names}, received {sorted(map(str, batch))}"
        raise _Unusable(msg)
    if query.is_labelled and labels is None:
        msg = "expected (inputs, labels), received no labels"
        raise _Unusable(msg)
    return batch, labels


def _is_part(values: object) -> bool:
    return isinstance(values, Mapping) or hasattr(values, "shape")


def _array(values: Any, name: str) -> NDArray[Any]:
    """A copy: whoever yields may fill the same array again. Tensors of frameworks are arrays, too."""
    array = np.array(values)
    if array.dtype.kind not in "biufUS":
        msg = f"{name}: expected an array of numbers, received {type(values).__name__} ({array.dtype})"
        raise _Unusable(msg)
    return array


def _rows(values: Any, name: str) -> list[NDArray[Any]]:
    array = _array(values, name)
    if array.ndim == 0:
        msg = f"{name}: expected a batch of shape (samples, …), received {values!r:.60}"
        raise _Unusable(msg)
    return list(array)


def _require_alike(name: str, rows: Sequence[NDArray[Any]]) -> None:
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        msg = f"{name}: the shapes differ from batch to batch: {' and '.join(map(str, shapes))}"
        raise _Unusable(msg)


def _require_picture(name: str, picture: NDArray[Any]) -> None:
    colored = picture.ndim == 3 and picture.shape[2] in {1, 3}
    if picture.dtype != np.uint8 or not (picture.ndim == 2 or colored) or not picture.size:
        msg = (
            f"{name}: expected uint8 pictures of shape (height, width[, 1 or 3]), received "
            f"{picture.dtype} of shape {picture.shape}"
        )
        raise _Unusable(msg)


def _joined(rows: list[NDArray[Any]]) -> Samples:
    return np.stack(rows) if len({row.shape for row in rows}) == 1 else rows


def _function(reference: str) -> Any:
    module_name, _, path = reference.partition(":")
    found: Any = importlib.import_module(module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            msg = f"{module_name} has no {path}"
            raise _Unusable(msg)
        found = getattr(found, name)
    if not callable(found):
        msg = f"{reference} is {type(found).__name__}, not a function"
        raise _Unusable(msg)
    return found


def _iterated(batches: object) -> Iterator[Any]:
    """What was returned, one batch after the other; one batch alone would be read as many."""
    if isinstance(batches, (Mapping, np.ndarray, str, bytes, tuple)) or not hasattr(
        batches, "__iter__"
    ):
        msg = f"expected batches, received {type(batches).__name__}; use yield"
        raise _Unusable(msg)
    return iter(batches)


@contextlib.contextmanager
def _importable(folder: Path | None) -> Iterator[None]:
    """Puts the folders of the user's modules on the path, and forgets these modules afterwards.

    Two functions may each have a `data.py`: the second must not get the first one's.
    """
    places = _places(folder)
    before, path = set(sys.modules), list(sys.path)
    sys.path[:0] = [str(place) for place in places]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        new = [name for name in set(sys.modules) - before if name.partition(".")[0] not in before]
        for name in [each for each in new if _stands_in(each, places)]:
            del sys.modules[name]


def _stands_in(name: str, places: Sequence[Path]) -> bool:
    """Whether a module, or the package that it is part of, stands directly in one of the folders."""
    module = sys.modules.get(name.partition(".")[0])
    file = getattr(module, "__file__", None)
    if not file:
        return False
    place = Path(file).resolve()
    return (place.parent.parent if place.name == "__init__.py" else place.parent) in places


def _places(folder: Path | None) -> list[Path]:
    return [place.resolve() for place in (folder, Path.cwd()) if place is not None]


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, _Unusable) else f"{type(error).__name__}: {error}"


def _failed(reference: str, purpose: Purpose, reason: str) -> CalibrationError:
    return CalibrationError(
        f"{purpose}-callable",
        f"{reference} gives no {purpose} data: {reason:.500}",
        hint=_HINT,
    )
