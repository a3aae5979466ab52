"""A folder of pictures; class folders give labels. What the deployed codec refuses is refused here."""

from __future__ import annotations

import importlib
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from liteship.conversion.data.classes import class_of_names
from liteship.conversion.data.samples import Raw, as_text, choose, shortened, unreadable
from liteship.errors import CalibrationError
from liteship.runtime.codecs.image import EIGHT_BIT_MODES, FORMATS
from liteship.runtime.settings import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.Image import Image

    from liteship.conversion.data.samples import Purpose, Query

_SUFFIXES = re.compile(
    r"\.(avif|bmp|gif|hei[cf]|ico|jfif|jp2|jpe|jpe?g|jxl|p[gp]m|png|psd|svg|tga|tiff?|webp)",
    re.IGNORECASE,
)
"""Files meant as pictures: those of a format that is not answered are reported, not left out."""


class PictureFiles(Sequence["NDArray[np.uint8]"]):
    """Pictures, each decoded when it is asked for: a thousand photographs decoded fill the memory.

    `paths` leads to the files themselves, which are what callers send.

    Args:
        paths: The files.
        mode: Pillow's mode: `L` gives arrays of shape (height, width), `RGB` (height, width, 3).
        purpose: For messages.
    """

    def __init__(self, paths: Sequence[Path], mode: str, purpose: Purpose) -> None:
        self.paths = paths
        self._mode = mode
        self._purpose = purpose

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> PictureFiles: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | PictureFiles:
        if isinstance(index, slice):
            return PictureFiles(self.paths[index], self._mode, self._purpose)
        try:
            return decode(self.paths[index], self._mode)
        except ValueError as error:
            raise CalibrationError(
                f"{self._purpose}-unreadable",
                f"{as_text(self.paths[index])} cannot be read: {error}",
                hint="leave the files alone while they are read",
            ) from error

    def decoded(self, problems: list[str]) -> Iterator[NDArray[np.uint8]]:
        """Decodes one picture after the other; those that cannot be are told in `problems`."""
        found = []
        for path in self.paths:
            try:
                yield decode(path, self._mode)
            except ValueError as error:
                found.append(f"{as_text(path)}: {error}")
        problems += shortened(found)


def check_folder(folder: Path, purpose: Purpose) -> None:
    """Looks for a first picture.

    Raises:
        CalibrationError: `…-missing`.
    """
    try:
        first = next(_pictures_below(folder), None)
    except OSError as error:
        raise _closed(folder, purpose, error) from error
    if first is None:
        raise _no_pictures(folder, purpose)


def read_folder(folder: Path, query: Query) -> Raw:
    """Pictures anywhere below the folder; with labels, those in its class folders.

    Raises:
        CalibrationError: `…-missing`.
    """
    model_problems = picture_input_problems(query)
    if model_problems:
        return Raw(inputs={}, problems=model_problems)
    try:
        found = sorted(_pictures_below(folder))
    except OSError as error:
        raise _closed(folder, query.purpose, error) from error
    if not found:
        raise _no_pictures(folder, query.purpose)
    labels, problems = _labels(folder, found, query) if query.is_labelled else (None, [])
    chosen = choose(len(found), query.samples, query.seed)
    if chosen is not None:
        found = [found[index] for index in chosen]
        labels = None if labels is None else labels[chosen]
    mode = "L" if query.preprocessing.color == "L" else "RGB"
    pictures = PictureFiles(found, mode, query.purpose)
    return Raw(inputs={query.names[0]: pictures}, labels=labels, problems=problems)


def picture_input_problems(query: Query) -> list[str]:
    """Why the model's inputs cannot be made of pictures."""
    if query.preprocessing.kind != "image":
        return ['pictures are for models whose [input] kind in function.toml is "image"']
    channels = 1 if query.preprocessing.color == "L" else 3
    shapes = [spec.shape for spec in query.specs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] != channels:
        needed = f"one input of shape (batch, height, width, {channels})"
        received = " and ".join(map(str, query.specs))
        return [f"pictures in {query.preprocessing.color} need {needed}, the model has {received}"]
    return []


def decode(path: Path, mode: str) -> NDArray[np.uint8]:
    """Decodes a picture as `liteship.runtime.codecs.image` does, which the file's first bytes decide.

    Args:
        path: A file in one of `FORMATS`, of 8 bits a channel and at most `MAX_PIXELS` pixels.
        mode: `L` or `RGB`.

    Returns:
        uint8 array of shape (height, width) or (height, width, 3).

    Raises:
        ValueError: Says why it cannot be decoded.
    """
    if not path.is_file():  # a pipe would never answer
        msg = "it is no file"
        raise ValueError(msg)
    try:
        with open(path, "rb") as file:
            first = file.read(16)
        kind = next((each for each in FORMATS.values() if each.matches(first)), None)
        if kind is not None:
            with getattr(importlib.import_module(f"PIL.{kind.module}"), kind.class_name)(path) as image:
                return _decoded(image, mode)
    except Refused as error:
        raise ValueError(*error.args) from None
    except Exception as error:  # Pillow's decoders raise whatever broken bytes lead them to
        msg = f"it cannot be decoded: {error}"
        raise ValueError(msg) from error
    known = ", ".join(media_type.removeprefix("image/") for media_type in FORMATS)
    msg = f"expected one of {known}, received a file that begins with {first[:8].hex(' ') or 'nothing'}"
    raise ValueError(msg)


class Refused(Exception):  # noqa: N818  # never leaves this module
    """A picture that can be decoded, but is not answered."""


def _decoded(image: Image, mode: str) -> NDArray[np.uint8]:
    if image.width * image.height > MAX_PIXELS:
        msg = f"{image.width} × {image.height} pixels; at most {MAX_PIXELS:,} are decoded"
        raise Refused(msg)
    if image.mode not in EIGHT_BIT_MODES:
        msg = f"mode {image.mode} has more than 8 bits a channel"
        raise Refused(msg)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that transparency is dropped is known
        return np.asarray(image.convert(mode), np.uint8)


def _pictures_below(folder: Path) -> Iterator[Path]:
    """Files that end as pictures do, or begin so and have no suffix.

    Hidden ones are an operating system's own.

    Raises:
        OSError: A folder cannot be listed.
    """
    for place, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if not name.startswith(".") and (_SUFFIXES.fullmatch(path.suffix) or _begins_so(path)):
                yield path


def _raise(error: OSError) -> None:
    raise error


def _begins_so(path: Path) -> bool:
    if path.suffix or not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            first = file.read(16)
    except OSError:
        return False
    return any(each.matches(first) for each in FORMATS.values())


def _labels(
    folder: Path, found: list[Path], query: Query
) -> tuple[NDArray[np.int64] | None, list[str]]:
    if not query.classification:
        return None, ["class folders cannot tell the numbers of a regression: use .npz or .csv"]
    places = [path.relative_to(folder).parts for path in found]
    loose = [as_text(parts[0]) for parts in places if len(parts) == 1]
    names = sorted({parts[0] for parts in places if len(parts) > 1})
    problems = [f"{name}: lies outside every class folder" for name in shortened(loose)]
    classes, unknown = class_of_names(names, query.classes, sort_alone=True)
    problems += [f"class folder {line}" for line in unknown]
    if problems:
        return None, problems
    return np.array([classes[parts[0]] for parts in places], np.int64), []


def _closed(folder: Path, purpose: Purpose, error: OSError) -> CalibrationError:
    hint = "make every folder below it readable"
    return unreadable(as_text(folder), purpose, "a folder of pictures", str(error), hint)


def _no_pictures(folder: Path, purpose: Purpose) -> CalibrationError:
    return CalibrationError(
        f"{purpose}-missing",
        f"there are no pictures in {as_text(folder)}",
        expected=f"{', '.join(FORMATS)} anywhere below it",
        hint="write them in train.py, or correct the path",
    )
