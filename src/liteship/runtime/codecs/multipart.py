"""Forms as a browser sends them: `multipart/form-data` (RFC 7578), each file an item or several.

A file is decoded by its own content type; where that says nothing, by its first bytes. Other fields
are not looked at.

python-multipart takes 15 ms to import, and only where a request is a form.
"""

from __future__ import annotations

from liteship.errors import InputError, PayloadTooLargeError, UnsupportedMediaError
from liteship.runtime.codecs import (
    BINARY_TYPE,
    decode,
    each_item,
    require_batch_size,
    sniff_media_type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.manifest import Manifest

MOST_FIELDS = 100
"""Parts of a form that are not files."""

MOST_HEADERS = 8
"""Of one part; browsers send two."""

MOST_HEADER_BYTES = 4096
"""Of one header, which may hold a file's name: 255 characters, percent-encoded if not ASCII."""


def decode_form(
    body: bytes, content_type: str, manifest: Manifest, max_pixels: int, max_batch: int
) -> list[dict[str, bytes]]:
    """Turns the files of a form into input tensors.

    Args:
        body: The whole form.
        content_type: Names its boundary.
        manifest: The model it is for.
        max_pixels: Largest picture to decode; each of several has its part of them.
        max_batch: Most items.

    Returns:
        Each item's input tensors: their bytes by name.

    Raises:
        InputError: `form-invalid`, `form-empty`, or as `decode`, with the index of the file.
        PayloadTooLargeError: `form-too-long`, `batch-too-large`, or as `decode`.
        UnsupportedMediaError: `form-unsupported` where python-multipart is not installed,
            `form-nested`, or as `decode`.
    """
    files = _Files(body, content_type, max_batch).found
    if not files:
        raise InputError(
            "form-empty",
            "the form holds no file",
            expected='a file at least, as of <input type="file">',
            hint="choose a file before sending the form; text fields are not looked at",
        )

    def decode_file(file: tuple[str, bytes]) -> list[dict[str, bytes]]:
        media_type, content = file
        if media_type.partition(";")[0].strip().lower() in {"", BINARY_TYPE}:
            media_type = sniff_media_type(content)
        if media_type.lower().startswith("multipart/"):
            raise UnsupportedMediaError(
                "form-nested",
                "the form holds another form",
                expected="files",
                received=f"{media_type:.60}",
                hint="send every file as a part of one form",
            )
        return decode(content, media_type, manifest, max_pixels // len(files), max_batch)

    items = [item for several in each_item(files, decode_file) for item in several]
    require_batch_size(len(items), max_batch)
    return items


class _Files:
    """The files of a form: their content types and contents, in `found`."""

    def __init__(self, body: bytes, content_type: str, most: int) -> None:
        try:
            from python_multipart.exceptions import FormParserError
            from python_multipart.multipart import MultipartParser, parse_options_header
        except ImportError as error:
            raise UnsupportedMediaError(
                "form-unsupported",
                "forms cannot be read here: python-multipart is not installed",
                hint="send the file itself as the body, or install python-multipart",
            ) from error
        self.found: list[tuple[str, bytes]] = []
        self._parse_options = parse_options_header
        self._most = most
        self._fields = 0
        self._name = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._content: list[bytes] = []
        self._is_whole = False
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise _invalid("the content type names no boundary")
        try:
            parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_part_data": self._add_content,
                    "on_part_end": self._end,
                    "on_header_field": self._add_name,
                    "on_header_value": self._add_value,
                    "on_header_end": self._end_header,
                    "on_end": self._finish,
                },
                max_header_count=MOST_HEADERS,
                max_header_size=MOST_HEADER_BYTES,
            )
            parser.logger.disabled = True  # what is wrong is told and logged below
            parser.write(body)
        except FormParserError as error:
            raise _invalid(str(error)) from error
        if not self._is_whole:
            raise _invalid("it is not whole")

    def _begin(self) -> None:
        self._headers, self._content = {}, []

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _end(self) -> None:
        content = b"".join(self._content)
        _, options = self._parse_options(self._headers.get(b"content-disposition", b""))
        name = options.get(b"filename")
        if name is None:
            self._fields += 1
        elif name or content:  # a browser sends an empty file of no name where none was chosen
            media_type = self._headers.get(b"content-type", b"").decode("latin-1")
            self.found.append((media_type, content))
        require_batch_size(max(len(self.found), 1), self._most)
        if self._fields > MOST_FIELDS:
            raise PayloadTooLargeError(
                "form-too-long",
                "the form has too many fields",
                expected=f"at most {MOST_FIELDS} beside its files",
                hint="send the files alone",
            )

    def _finish(self) -> None:
        self._is_whole = True


def _invalid(received: str) -> InputError:
    return InputError(
        "form-invalid",
        "the body is not a form that can be read",
        expected="multipart/form-data, with its boundary in the content type",
        received=f"{received:.200}",
        hint="let the browser or the HTTP library write both the form and the header",
    )
