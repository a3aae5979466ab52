"""Tables as text: `.csv` in UTF-8 with a first line of names, separated by comma, semicolon or tab."""

from __future__ import annotations

import csv
import itertools
import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import numpy as np

from liteship.conversion.data.columns import arrange, assemble
from liteship.conversion.data.samples import Raw, require_size, shortened, unreadable
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from liteship.conversion.data.columns import Layout
    from liteship.conversion.data.samples import Purpose, Query

_HINT = "write it in UTF-8 with a first line of column names, as csv.writer or pandas' to_csv do"
_SEPARATORS = ",;\t"
_LONGEST_LINE = 1_000_000
_OBJECT_BYTES = 72
"""Of a Python number or short text, and its place in a list."""


@dataclass(kw_only=True)
class _Column:
    """One column while it is read: numbers as 8 bytes each, whole numbers of any size, or text."""

    name: str
    parse: Callable[[str], float | str]
    values: array[float] | list[float | str]
    bad: int = 0
    first_bad: str = ""

    def append(self, cell: str, line: int) -> None:
        try:
            self.values.append(self.parse(cell))  # type: ignore[arg-type]
        except (ValueError, OverflowError):
            self.first_bad = self.first_bad or f"{cell!r:.60} in line {line}"
            self.bad += 1


def check_csv(path: Path, purpose: Purpose) -> None:
    """Reads the names of the columns.

    Raises:
        CalibrationError: `…-unreadable` or `…-too-large`.
    """
    require_size(path.stat().st_size, path, purpose)
    try:
        with _open(path) as file:
            header, _ = _rows(file)
    except Exception as error:  # as below
        raise unreadable(path, purpose, ".csv", str(error), _HINT) from error
    if not header:
        raise unreadable(path, purpose, ".csv", "it is empty", _HINT)


def read_csv(path: Path, query: Query) -> Raw:
    """Reads every row; a row that is not as long as the first line is a problem.

    Raises:
        CalibrationError: `…-unreadable` or `…-too-large`.
    """
    check_csv(path, query.purpose)
    try:
        with _open(path) as file:
            header, rows = _rows(file)
            layout = arrange(header, query)
            columns, ragged = _read(header, rows, layout, query)
    except CalibrationError:
        raise
    except (OSError, ValueError, csv.Error) as error:  # a UnicodeDecodeError is a ValueError
        raise unreadable(path, query.purpose, ".csv", str(error), _HINT) from error
    problems = ragged + [
        f"column {column.name}: cells that cannot be read: {column.bad}, the first {column.first_bad}"
        for column in columns.values()
        if column.bad
    ]
    good = {place: np.array(each.values) for place, each in columns.items() if not each.bad}
    return assemble(layout, good, query, problems)


def _open(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="")  # spreadsheets begin UTF-8 with a BOM


def _rows(file: TextIO) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The columns' names, and every row that is not empty with its line number."""
    first, line = "", 0
    while not first.strip():
        first, line = file.readline(_LONGEST_LINE), line + 1
        if not first:
            return [], iter(())
    if len(first) == _LONGEST_LINE:
        msg = "its first line has no end"
        raise ValueError(msg)
    separator = max(_SEPARATORS, key=lambda each: len(next(csv.reader([first], delimiter=each))))
    reader = csv.reader(itertools.chain([first], file), delimiter=separator, strict=True)
    header = [name.strip() for name in next(reader)]
    return header, (
        (reader.line_num + line - 1, row) for row in reader if any(cell.strip() for cell in row)
    )


def _read(
    header: list[str], rows: Iterator[tuple[int, list[str]]], layout: Layout, query: Query
) -> tuple[dict[int, _Column], list[str]]:
    columns = {place: _number_column(header[place], place in layout.whole) for place in layout.numbers}
    for place in layout.labels:
        if query.classification:
            columns[place] = _Column(name=header[place], parse=_name, values=[])
        else:
            columns[place] = _number_column(header[place], whole=False)
    appends = [(place, column.append) for place, column in columns.items()]
    ragged = []
    row_bytes = sum(8 if isinstance(each.values, array) else _OBJECT_BYTES for each in columns.values())
    for count, (line, row) in enumerate(rows):
        if count % 10_000 == 0:
            require_size(count * row_bytes, "the table", query.purpose)
        if len(row) != len(header):
            ragged.append(f"line {line}: {len(row)} cells, the first line names {len(header)}")
            continue
        for place, append in appends:
            append(row[place], line)
    return columns, shortened(ragged)


def _number_column(name: str, whole: bool) -> _Column:
    if whole:
        return _Column(name=name, parse=_whole_number, values=[])
    return _Column(name=name, parse=_number, values=array("d"))


def _number(cell: str) -> float:
    if "_" in cell:  # Python's own way to write thousands
        raise ValueError
    return float(cell)


def _whole_number(cell: str) -> float:
    try:
        number = int(cell) if "_" not in cell else _number(cell)
    except ValueError:  # a fraction, or thousands of digits
        number = _number(cell)
    if not math.isnan(number) and not -(2**63) <= number < 2**64:
        raise ValueError
    return number


def _name(cell: str) -> str:
    name = cell.strip()
    if not name or len(name) > 256:
        raise ValueError
    return name
