"""CSV requests: rows of a table, for a model of one input of shape (batch, features).

    alcohol,malic_acid,ash      a header, or none
    13.9,1.68,2.12              each row an item

The columns are the features in the model's order; what the header calls them is not looked at. Numbers
are what the model takes before quantization, as in JSON. RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180),
in UTF-8 with or without a byte-order mark, lines ending as they like.

Python's own reader: `import csv` takes 0.4 ms, and only where a request is CSV.
"""

from __future__ import annotations

import csv
import io
import math

from liteship.errors import InputError, PayloadTooLargeError
from liteship.quantization import GREATEST_REAL
from liteship.runtime.codecs import each_item, require_batch_size
from liteship.runtime.codecs.json_form import encode_tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec

CHARACTERS_PER_CELL = 256
"""Of the most that a row may have, a third: nothing sent can make a list of millions."""

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_PROBLEMS_TOLD = 10


def decode_csv(body: bytes, manifest: Manifest, max_batch: int) -> list[dict[str, bytes]]:
    """Turns the rows of a CSV body into input tensors.

    Args:
        body: UTF-8, with a header or without.
        manifest: A model with one input of shape (batch, features).
        max_batch: Most rows.

    Returns:
        Each row's input tensor: its bytes by name, quantized where the tensor is.

    Raises:
        InputError: `csv-invalid`, `csv-separator`, `csv-rows`, `csv-columns`, `csv-values` with every
            cell of a row that is wrong, or `tensor-value` for an integer beyond the tensor's dtype.
        PayloadTooLargeError: `csv-too-long`, `batch-too-large`.
    """
    (spec,) = manifest.inputs
    text = _text(body)
    _require_commas(text, spec.elements)
    rows = _first_rows(text, spec.elements, max_batch + 2)
    names = rows.pop(0) if rows and not any(map(_is_number, rows[0])) else None
    if not rows:
        raise InputError(
            "csv-rows",
            f"the CSV body does not hold a row for model {manifest.name}",
            expected="rows of numbers, after a header or without one",
            received="no row but a header" if names else "no row",
            hint="send one row at least",
        )
    require_batch_size(len(rows), max_batch)
    if names is not None:
        _require_columns(names, spec)

    def encode_row(row: list[str]) -> dict[str, bytes]:
        _require_columns(row, spec)
        return {spec.name: encode_tensor(_numbers(row, names, spec), spec)}

    return list(each_item(rows, encode_row))


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(
            "csv-invalid", f"the body is not UTF-8: {error}", hint="save the table as CSV in UTF-8"
        ) from error


def _require_commas(text: str, columns: int) -> None:
    """Refuses what other separators divide into the model's columns: a guess could misread numbers."""
    line = text[: columns * CHARACTERS_PER_CELL].partition("\n")[0]
    for separator, name in _OTHER_SEPARATORS.items():
        if columns > 1 and line.count(separator) == columns - 1 != line.count(","):
            raise InputError(
                "csv-separator",
                f"the CSV body is divided by {name}",
                expected="commas between the columns, and a point in the numbers: 13.9,1.68",
                received=f"{line:.60}",
                hint="export the table with the comma as separator",
            )


def _first_rows(text: str, columns: int, most: int) -> list[list[str]]:
    """The first rows that are not blank, a header among them."""
    lines = _Lines(text, 3 * columns * CHARACTERS_PER_CELL)
    reader = csv.reader(lines, strict=True)
    rows = []
    try:
        for row in reader:
            if row:
                rows.append([cell.strip() for cell in row])
                lines.read = 0
            if len(rows) == most:
                break
    except csv.Error as error:
        raise InputError(
            "csv-invalid",
            f"the body is not CSV: {error}, in line {reader.line_num}",
            hint='close every quotation mark, and double those inside: "5"" pipe"',
        ) from error
    return rows


class _Lines:
    """Lines with their ends, until one row takes more than `most` characters.

    Attributes:
        read: Characters of this row so far.
    """

    def __init__(self, text: str, most: int) -> None:
        self._lines = io.StringIO(text, newline="")
        self._most = most
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.read += len(line)
            if self.read > self._most:
                raise PayloadTooLargeError(
                    "csv-too-long",
                    "the CSV body has a longer row than this model can take",
                    expected=f"at most {self._most:,} characters",
                    received=f"{self.read:,} characters",
                    hint="send the columns that the model takes, and no blank lines",
                )
            yield line


def _require_columns(row: Sequence[str], spec: TensorSpec) -> None:
    if len(row) != spec.elements:
        raise InputError(
            "csv-columns",
            f"the CSV body has another number of columns than input {spec.name} has features",
            expected=f"{spec.elements} columns",
            received=f"{len(row)}: {', '.join(row):.60}",
            hint="send the features alone, in the model's order: no index and no label",
        )


def _numbers(row: Sequence[str], names: Sequence[str] | None, spec: TensorSpec) -> list[float]:
    """The cells as numbers of the tensor's kind."""
    whole = not spec.is_quantized and not spec.dtype.startswith("float")
    greatest = GREATEST_REAL if spec.takes_float32 else math.inf
    numbers: list[float] = []
    problems = []
    for index, cell in enumerate(row):
        place = f"column {index + 1}" if names is None else f"column {index + 1} ({names[index]:.40})"
        if not cell:
            problems.append(f"{place} is empty")
        elif not _is_number(cell):
            problems.append(f"{place} is not a number: {cell!r:.40}")
        elif whole and not cell.lstrip("+-").isdigit():
            problems.append(f"{place} is not a whole number: {cell:.40}")
        elif not math.isfinite(float(cell)) or abs(float(cell)) > greatest:
            problems.append(f"{place} is not finite in {spec.dtype}: {cell:.40}")
        else:
            numbers.append(int(cell) if whole else float(cell))
    if problems:
        more = len(problems) - _PROBLEMS_TOLD
        raise InputError(
            "csv-values",
            f"the row does not hold the numbers that input {spec.name} takes",
            problems=problems[:_PROBLEMS_TOLD] + [f"and {more} more"] * (more > 0),
            expected=f"{spec.elements} finite numbers",
            hint="replace missing values as in training; write numbers as 13.9 or 1.39e1",
        )
    return numbers


def _is_number(cell: str) -> bool:
    """Whether it is a number as other programs write them: Python reads 1_000 and ١٢, too."""
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell
