"""Pictures: decoded and resized by Pillow, normalised and quantized by table.

Assumptions, the same at training time or accuracy suffers: alpha is dropped, an animation gives its
first frame, an EXIF orientation is ignored (as Keras' and torchvision's loaders ignore it).
"""

from __future__ import annotations

import importlib
import io

from liteship.errors import InputError, PayloadTooLargeError, UnsupportedMediaError
from liteship.quantization import ITEM_BYTES, pixel_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from PIL.Image import Image

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.parts import Preprocessing
    from liteship.artifact.tensors import TensorSpec


MOST_SCANS = 100
"""Of a JPEG file, which usually has ten. Each may visit every pixel and take 26 bytes: 4 MB decode for
an hour (https://bugzilla.redhat.com/show_bug.cgi?id=1344214)."""


REDUCING_GAP = 2
"""How much larger than the model's input a JPEG is decoded at least. Pillow says of 2 that what is
resized from it can hardly be told from the original's
(https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.Image.thumbnail)."""


class ImageFormat:
    """One picture format: how its files begin, and Pillow's class that reads it.

    Naming the class spares the import of every other format's plug-in.
    """

    __slots__ = ("class_name", "magic", "module", "offset")

    def __init__(self, module: str, class_name: str, magic: bytes, offset: int = 0) -> None:
        self.module = module
        self.class_name = class_name
        self.magic = magic
        self.offset = offset

    def matches(self, body: bytes) -> bool:
        """Whether a body begins as files of this format do."""
        return body.startswith(self.magic, self.offset)


FORMATS = {
    "image/png": ImageFormat("PngImagePlugin", "PngImageFile", b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": ImageFormat("JpegImagePlugin", "JpegImageFile", b"\xff\xd8\xff"),
    "image/webp": ImageFormat("WebPImagePlugin", "WebPImageFile", b"WEBP", 8),
    "image/gif": ImageFormat("GifImagePlugin", "GifImageFile", b"GIF8"),
    "image/bmp": ImageFormat("BmpImagePlugin", "BmpImageFile", b"BM"),
}
"""Formats answered, by media type. The body's first bytes decide, not what the caller says."""

EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


def decode_image(body: bytes, manifest: Manifest, max_pixels: int) -> dict[str, bytes]:
    """Turns a picture into the model's one input tensor.

    Args:
        body: A file in one of `FORMATS`.
        manifest: A model with image preprocessing: input of shape (batch, height, width, channels).
        max_pixels: Width × height that may be decoded; checked before decoding.

    Returns:
        The input tensor's bytes by name.

    Raises:
        UnsupportedMediaError: `image-format` for other files, `image-depth` for more than 8 bits a
            channel.
        PayloadTooLargeError: `image-too-large`; `image-scans` for more than `MOST_SCANS`.
        InputError: `image-broken` for files that cannot be decoded to the end.
    """
    spec = manifest.inputs[0]
    pixels = _pixels(body, spec, manifest.preprocessing, max_pixels)
    return {spec.name: normalize(pixels, spec, manifest.preprocessing)}


def normalize(pixels: bytes, spec: TensorSpec, preprocessing: Preprocessing) -> bytes:
    """Normalises and quantizes 8-bit pixels through one 256-entry table a channel.

    Args:
        pixels: uint8 values 0-255, row-major (height, width, channels), in the model's channel order.
        spec: The input tensor.
        preprocessing: Mean and standard deviation of each channel.

    Returns:
        The tensor's bytes.
    """
    channels = [
        pixel_table(mean, std, spec.dtype, spec.scale, spec.zero_point)
        for mean, std in zip(preprocessing.mean, preprocessing.std, strict=True)
    ]
    item_bytes = ITEM_BYTES[spec.dtype]
    if item_bytes == 1 and channels.count(channels[0]) == len(channels):
        return pixels.translate(channels[0][0])
    tensor = bytearray(len(pixels) * item_bytes)
    stride = len(channels) * item_bytes
    for channel, tables in enumerate(channels):
        plane = pixels[channel :: len(channels)]
        for position, table in enumerate(tables):
            tensor[channel * item_bytes + position :: stride] = plane.translate(table)
    return bytes(tensor)


def _pixels(body: bytes, spec: TensorSpec, preprocessing: Preprocessing, max_pixels: int) -> bytes:
    _, height, width, _ = spec.item_shape
    mode = "L" if preprocessing.color == "L" else "RGB"
    decoded = open_picture(body, mode, max_pixels, (width, height))
    if decoded.size != (width, height):
        from PIL.Image import Resampling

        decoded = decoded.resize((width, height), Resampling[preprocessing.resize.upper()])
    return decoded.tobytes("raw", preprocessing.color)


def open_picture(
    body: bytes, mode: str, max_pixels: int, target: tuple[int, int] | None = None
) -> Image:
    """Decodes a picture that a caller sent.

    Args:
        body: A file in one of `FORMATS`.
        mode: Pillow's, of 8 bits a channel: `L` or `RGB`.
        max_pixels: Width × height that may be decoded; checked before decoding.
        target: Width and height that it is made smaller to. A JPEG is decoded at a half, a quarter or
            an eighth of its size where that leaves `REDUCING_GAP` times as much in each direction.

    Raises:
        InputError: As `decode_image`.
    """
    image = _open(body)
    if image.width * image.height > max_pixels:
        raise PayloadTooLargeError(
            "image-too-large",
            "the picture has too many pixels to decode",
            expected=f"at most {max_pixels:,} pixels",
            received=f"{image.width} × {image.height}",
            hint="send it smaller"
            + (f"; the model looks at {target[0]} × {target[1]}" if target else ""),
        )
    if image.mode not in EIGHT_BIT_MODES:
        raise UnsupportedMediaError(
            "image-depth",
            "the picture has more than 8 bits a channel",
            expected=f"8 bits a channel, as in {', '.join(EIGHT_BIT_MODES)}",
            received=f"mode {image.mode}",
            hint="save it with 8 bits a channel",
        )
    # A scan's header is shorter than 256 bytes, and in scans themselves no marker's byte stands alone
    if image.format == "JPEG" and body.count(b"\xff\xda\0") > MOST_SCANS:
        raise PayloadTooLargeError(
            "image-scans",
            "the picture takes too long to decode",
            expected=f"at most {MOST_SCANS} scans in a JPEG file",
            hint="save it again, as a JPEG file that is not progressive",
        )
    if target is not None:
        image.draft(None, (target[0] * REDUCING_GAP, target[1] * REDUCING_GAP))  # of JPEG alone
    try:
        image.load()
        return image if image.mode == mode else image.convert(mode)
    except Exception as error:  # Pillow's decoders raise whatever broken bytes lead them to
        raise _broken(error) from error


def _open(body: bytes) -> Image:
    """Reads the header; the pixels stay encoded."""
    for image_format in FORMATS.values():
        if image_format.matches(body):
            plugin = importlib.import_module(f"PIL.{image_format.module}")
            try:
                image: Image = getattr(plugin, image_format.class_name)(io.BytesIO(body))
            except Exception as error:  # as above
                raise _broken(error) from error
            return image
    raise UnsupportedMediaError(
        "image-format",
        "the body is not a picture that this model reads",
        expected=", ".join(FORMATS),
        received=f"a body that begins with {body[:8].hex(' ')}",
        hint="send the picture file itself as the body, not a form or a URL",
    )


def _broken(error: Exception) -> InputError:
    return InputError(
        "image-broken",
        f"the picture cannot be decoded: {error}",
        hint="check that the file opens elsewhere and was sent whole",
    )
