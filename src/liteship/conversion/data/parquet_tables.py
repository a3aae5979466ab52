"""Tables in Parquet files, read by pyarrow, an extra of its own."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from liteship.conversion.data.columns import arrange, assemble
from liteship.conversion.data.samples import require_size, unreadable
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from liteship.conversion.data.samples import Purpose, Query, Raw

_HINT = "write it with pandas' to_parquet or pyarrow.parquet.write_table"


def check_parquet(path: Path, purpose: Purpose) -> None:
    """Reads the file's footer.

    Raises:
        CalibrationError: `extra-missing`, `…-unreadable` or `…-too-large`.
    """
    _open(path, purpose).close()


def read_parquet(path: Path, query: Query) -> Raw:
    """Reads the columns that are needed.

    Raises:
        CalibrationError: As `check_parquet`.
    """
    with _open(path, query.purpose) as file:
        header = [str(name) for name in file.schema_arrow.names]
        layout = arrange(header, query)
        needed = sorted({*layout.numbers, *layout.labels})
        try:
            table = file.read(columns=[header[place] for place in needed])
        except Exception as error:  # as below
            raise _damaged(path, query.purpose, error) from error
    columns: dict[int, NDArray[np.generic]] = {}
    problems = []
    for place in needed:
        name = header[place]
        is_class = place in layout.labels and query.classification
        try:
            columns[place] = _values(table.column(name), is_class=is_class)
        except ValueError as error:
            problems.append(f"column {name}: {error}")
        except Exception as error:  # damage may lie in a page, and show when it is decoded
            raise _damaged(path, query.purpose, error) from error
    return assemble(layout, columns, query, problems)


def _open(path: Path, purpose: Purpose) -> Any:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise CalibrationError(
            "extra-missing",
            f"{path} cannot be read without pyarrow",
            hint="pip install 'liteship[parquet]', or save it as .csv",
        ) from error
    try:
        file = parquet.ParquetFile(path)
        groups = range(file.metadata.num_row_groups)
        size_bytes = sum(file.metadata.row_group(index).total_byte_size for index in groups)
    except Exception as error:  # pyarrow raises whatever damaged bytes lead it to
        raise _damaged(path, purpose, error) from error
    require_size(size_bytes, path, purpose)
    return file


def _values(column: Any, *, is_class: bool) -> NDArray[np.generic]:
    """A column as an array of numbers, or of names where it holds classes.

    Raises:
        ValueError: Says what is wrong with it.
    """
    types = importlib.import_module("pyarrow.types")
    if column.null_count:
        msg = f"{column.null_count} of {len(column)} cells are empty"
        raise ValueError(msg)
    if types.is_dictionary(column.type):  # pandas' categories
        column = column.cast(column.type.value_type)
    if types.is_decimal(column.type):
        column = column.cast("float64")
    is_number = (
        types.is_integer(column.type) or types.is_floating(column.type) or types.is_boolean(column.type)
    )
    if is_number:
        return np.asarray(column.to_numpy())
    if is_class and (types.is_string(column.type) or types.is_large_string(column.type)):
        names = column.to_pylist()
        if any(len(name) > 256 for name in names):
            msg = "names of at most 256 characters were expected"
            raise ValueError(msg)
        return np.array(names, np.str_)
    msg = f"expected numbers{' or names' if is_class else ''}, received {column.type}"
    raise ValueError(msg)


def _damaged(path: Path, purpose: Purpose, error: Exception) -> CalibrationError:
    return unreadable(path, purpose, ".parquet", f"{type(error).__name__}: {error}", _HINT)
