from __future__ import annotations

import io
import struct
import warnings
import zlib
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from liteship.artifact import Preprocessing, TensorSpec
from liteship.config import NORMALIZATIONS
from liteship.errors import InputError, PayloadTooLargeError, UnsupportedMediaError
from liteship.quantization import INTEGER_RANGE
from liteship.runtime.codecs.image import FORMATS, MOST_SCANS, decode_image, normalize, open_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from liteship.artifact import Manifest

    ManifestOf = Callable[..., Manifest]

PIXELS = 10_000
WRITERS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/bmp": "BMP",
}


def noise(height: int, width: int, channels: int, seed: int = 1) -> NDArray[np.uint8]:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def saved(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def of_the_formula(pixels: NDArray[np.uint8], spec: TensorSpec, mean: object, std: object) -> bytes:
    """(p - mean) / std, then quantized: NumPy instead of tables."""
    real = (pixels.astype(np.float64) - np.array(mean)) / np.array(std)
    if spec.dtype == "float32":
        return bytes(real.astype(np.float32).tobytes())
    steps = np.rint(real / spec.scale) + spec.zero_point
    return bytes(steps.clip(*INTEGER_RANGE[spec.dtype]).astype(spec.dtype).tobytes())


@pytest.mark.parametrize(
    ("normalization", "color", "dtype"),
    [
        (normalization, color, dtype)
        for normalization, color, dtype in product(
            NORMALIZATIONS, ["L", "RGB", "BGR"], ["float32", "int8", "uint8", "int16"]
        )
        if color == {"caffe": "BGR", "torch": "RGB"}.get(normalization, color)
    ],
)
def test_tables_give_what_the_formula_gives(normalization: str, color: str, dtype: str) -> None:
    channels = 1 if color == "L" else 3
    means, deviations = NORMALIZATIONS[normalization]
    mean = means if len(means) == channels else means * channels
    std = deviations if len(deviations) == channels else deviations * channels
    scale, zero_point = (0.0, 0) if dtype == "float32" else (2.3 / min(std), 3)
    spec = TensorSpec("x", dtype, [1, 5, 7, channels], scale, zero_point)
    pixels = noise(5, 7, channels)
    received = normalize(pixels.tobytes(), spec, Preprocessing("image", color, mean=mean, std=std))
    shaped = pixels.reshape(5, 7, channels)
    assert received == of_the_formula(shaped, spec, mean, std)
    assert len(received) == spec.size_bytes


@pytest.mark.parametrize("resize", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("color", ["L", "RGB", "BGR"])
def test_a_picture_is_decoded_resized_and_ordered(
    color: str, resize: str, manifest_of: ManifestOf
) -> None:
    channels = 1 if color == "L" else 3
    spec = TensorSpec("x", "float32", [-1, 6, 4, channels])
    mean, std = [1.0, 2.0, 3.0][:channels], [4.0, 5.0, 6.0][:channels]
    manifest = manifest_of(
        spec, preprocessing=Preprocessing("image", color, resize, mean=mean, std=std)
    )
    picture = Image.fromarray(noise(13, 9, 3))
    prepared = picture.convert("L" if color == "L" else "RGB")
    resized = np.asarray(prepared.resize((4, 6), Image.Resampling[resize.upper()]))
    ordered = resized.reshape(6, 4, channels)[..., :: -1 if color == "BGR" else 1]
    expected = of_the_formula(ordered, spec, mean, std)
    assert decode_image(saved(picture), manifest, PIXELS) == {"x": expected}


@pytest.fixture
def grey(manifest_of: ManifestOf) -> Manifest:
    """Takes 8 × 8 grey pixels as they are."""
    spec = TensorSpec("x", "uint8", [-1, 8, 8, 1], 1.0, 0)
    return manifest_of(spec, preprocessing=Preprocessing("image", "L", mean=[0.0], std=[1.0]))


@pytest.fixture
def colored(manifest_of: ManifestOf) -> Manifest:
    """Takes 8 × 8 RGB pixels as they are."""
    spec = TensorSpec("x", "uint8", [-1, 8, 8, 3], 1.0, 0)
    return manifest_of(spec, preprocessing=Preprocessing("image", "RGB", mean=[0.0] * 3, std=[1.0] * 3))


@pytest.mark.parametrize("media_type", ["image/png", "image/bmp", "image/gif"])
def test_a_lossless_grey_picture_arrives_as_it_was(media_type: str, grey: Manifest) -> None:
    pixels = noise(8, 8, 1)
    body = saved(Image.fromarray(pixels), WRITERS[media_type])
    assert FORMATS[media_type].matches(body)
    assert decode_image(body, grey, PIXELS)["x"] == pixels.tobytes()


@pytest.mark.parametrize("media_type", FORMATS)
def test_every_format_is_answered(media_type: str, colored: Manifest) -> None:
    smooth = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    body = saved(Image.fromarray(smooth), WRITERS[media_type])
    received = np.frombuffer(decode_image(body, colored, PIXELS)["x"], np.uint8)
    assert np.abs(received.astype(int) - smooth.ravel()).max() <= 4  # JPEG and WebP lose a little


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_mode_of_eight_bits_is_answered(mode: str, colored: Manifest) -> None:
    picture = Image.fromarray(noise(8, 8, 3)).convert(mode)
    body = saved(picture, "JPEG" if mode == "CMYK" else "PNG")
    expected = Image.open(io.BytesIO(body)).convert("RGB").tobytes()
    assert decode_image(body, colored, PIXELS)["x"] == expected


def test_alpha_is_dropped_not_blended(colored: Manifest) -> None:
    pixels = noise(8, 8, 4)
    pixels[..., 3] = 0
    body = saved(Image.fromarray(pixels))
    assert decode_image(body, colored, PIXELS)["x"] == pixels[..., :3].tobytes()


def test_an_animation_gives_its_first_frame(grey: Manifest) -> None:
    first, second = (Image.fromarray(noise(8, 8, 1, seed)) for seed in (1, 2))
    body = saved(first, "GIF", save_all=True, append_images=[second])
    assert decode_image(body, grey, PIXELS)["x"] == first.tobytes()


def test_an_orientation_is_ignored(colored: Manifest) -> None:
    picture = Image.fromarray(noise(8, 8, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    assert decode_image(saved(picture, exif=exif), colored, PIXELS)["x"] == picture.tobytes()


def test_more_than_eight_bits_are_refused(grey: Manifest) -> None:
    body = saved(Image.new("I;16", (8, 8), 40_000))
    with pytest.raises(UnsupportedMediaError) as raised:
        decode_image(body, grey, PIXELS)
    assert raised.value.reference == "image-depth"


@pytest.mark.parametrize("body", [b"x", b"%PDF-1.7", b"GIF7", b"RIFF\0\0\0\0WAVE", bytes(100)])
def test_what_is_no_picture_is_refused(body: bytes, grey: Manifest) -> None:
    with pytest.raises(UnsupportedMediaError) as raised:
        decode_image(body, grey, PIXELS)
    assert raised.value.reference == "image-format"
    assert body[:8].hex(" ") in str(raised.value.received)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says it is as large as this."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    ends = chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + ends


@pytest.mark.parametrize(("width", "height"), [(101, 100), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_before_decoding(width: int, height: int, grey: Manifest) -> None:
    with pytest.raises(PayloadTooLargeError) as raised:
        decode_image(bomb(width, height), grey, PIXELS)
    assert raised.value.reference == "image-too-large"
    assert raised.value.received == f"{width} × {height}"


def test_the_limit_itself_is_allowed(grey: Manifest) -> None:
    body = saved(Image.new("L", (100, 100), 7))
    assert decode_image(body, grey, PIXELS)["x"] == bytes([7]) * 64


@pytest.mark.parametrize(
    ("size", "decoded"),
    [
        ((1600, 1200), (200, 150)),
        ((1599, 1200), (200, 150)),  # an eighth, rounded up
        ((800, 600), (200, 150)),
        ((640, 640), (80, 80)),
        ((639, 700), (160, 175)),
        ((127, 127), (127, 127)),
        ((40, 40), (40, 40)),
        ((30, 900), (30, 900)),
    ],
)
def test_a_large_jpeg_is_decoded_at_a_part_of_its_size(
    size: tuple[int, int], decoded: tuple[int, int]
) -> None:
    body = saved(Image.new("RGB", size), "JPEG")
    assert open_picture(body, "RGB", 10**7, (40, 40)).size == decoded
    assert open_picture(body, "RGB", 10**7).size == size
    assert open_picture(saved(Image.new("RGB", size)), "RGB", 10**7, (40, 40)).size == size


def test_decoding_at_a_part_of_the_size_changes_hardly_a_pixel(manifest_of: ManifestOf) -> None:
    photograph = Image.fromarray(noise(30, 40, 3)).resize((1600, 1200), Image.Resampling.BICUBIC)
    body = saved(photograph, "JPEG", quality=90)
    spec = TensorSpec("x", "uint8", [1, 224, 224, 3], 1.0, 0)
    for resize in ("bilinear", "bicubic"):
        preprocessing = Preprocessing("image", "RGB", mean=[0.0] * 3, std=[1.0] * 3, resize=resize)
        tensor = decode_image(body, manifest_of(spec, preprocessing=preprocessing), 10**7)["x"]
        whole = Image.open(io.BytesIO(body)).resize((224, 224), Image.Resampling[resize.upper()])
        pixels = np.frombuffer(tensor, np.uint8).astype(int)
        difference = np.abs(pixels - np.asarray(whole, int).ravel())
        assert difference.mean() < 0.5
        assert difference.max() <= 8


def test_what_is_too_large_is_refused_though_a_part_would_do(colored: Manifest) -> None:
    with pytest.raises(PayloadTooLargeError):
        decode_image(saved(Image.new("RGB", (400, 400)), "JPEG"), colored, 400 * 400 - 1)


def test_a_jpeg_file_of_scans_without_end_is_refused(grey: Manifest) -> None:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 7).save(buffer, "JPEG", progressive=True)
    body = buffer.getvalue()
    scan = body[body.rindex(b"\xff\xda") : -2]
    few = body.count(b"\xff\xda")
    assert decode_image(body[:-2] + scan * (MOST_SCANS - few) + body[-2:], grey, PIXELS)
    with pytest.raises(PayloadTooLargeError) as raised:
        decode_image(body[:-2] + scan * (MOST_SCANS - few + 1) + body[-2:], grey, PIXELS)
    assert raised.value.reference == "image-scans"


@pytest.mark.parametrize("media_type", FORMATS)
def test_a_picture_cut_anywhere_is_refused_or_answered_but_never_crashes(
    media_type: str, colored: Manifest
) -> None:
    body = saved(Image.fromarray(noise(8, 8, 3)), WRITERS[media_type])
    refused = 0
    for length in range(1, len(body)):
        try:
            tensors = decode_image(body[:length], colored, PIXELS)
        except InputError as error:
            assert error.reference in {"image-broken", "image-format"}  # noqa: PT017  # not always
            refused += 1
        else:
            assert len(tensors["x"]) == 8 * 8 * 3
    assert refused > len(body) // 2


@pytest.mark.parametrize("media_type", FORMATS)
def test_half_a_picture_is_refused(media_type: str, colored: Manifest) -> None:
    body = saved(Image.fromarray(noise(8, 8, 3)), WRITERS[media_type])
    with pytest.raises(InputError) as raised:
        decode_image(body[: len(body) // 2], colored, PIXELS)
    assert raised.value.reference == "image-broken"


@pytest.mark.parametrize("media_type", FORMATS)
def test_damaged_bytes_never_lead_to_another_error(media_type: str, colored: Manifest) -> None:
    rng = np.random.default_rng(21)
    body = saved(Image.fromarray(noise(9, 11, 3)), WRITERS[media_type])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of much that is odd
        for _ in range(500):
            damaged = np.frombuffer(body, np.uint8).copy()
            places = rng.integers(0, len(body), rng.integers(1, 6))
            damaged[places] = rng.integers(0, 256, len(places))
            try:
                tensors = decode_image(damaged.tobytes(), colored, PIXELS)
            except InputError:
                continue
            assert len(tensors["x"]) == 8 * 8 * 3
