"""Milliseconds of processor time from a request's bytes to tensors, and from outputs to the answer.

    python -m benchmarks.codecs [--model MODEL_FOLDER] [--against SRC] [--runs 9]

Of each wire form, the whole request is answered without HTTP and without inference: a stand-in gives
random outputs, the same ones each time. `--against` names another `src`, of a commit before: each round
measures both, in turn, in processes of their own. Least of the rounds, for other work on the machine
only adds. The model is made by `benchmarks/comparison/models.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]


def bodies(manifest: Any) -> dict[str, tuple[str, dict[str, str], bytes]]:
    """Path, headers and body of a request in each wire form."""
    rng = random.Random(1)  # noqa: S311  # numbers to measure with
    (spec,) = manifest.inputs
    count, shape = spec.elements, [1, *spec.item_shape[1:]]
    least = 0 if spec.dtype == "uint8" else -128
    integers = [rng.randrange(least, least + 256) for _ in range(count)]
    short = [round(rng.uniform(-1, 1), 4) for _ in range(count)]
    pixels = [struct.unpack("f", struct.pack("f", p / 127.5 - 1))[0] for p in rng.randbytes(count)]
    own = struct.pack(f"{count}{'B' if least == 0 else 'b'}", *integers)
    url = f"/v2/models/{manifest.name}/infer"
    as_json, as_bytes = (
        {"content-type": "application/json"},
        {"content-type": "application/octet-stream"},
    )

    def text(datatype: str, data: object) -> bytes:
        tensor = {"name": spec.name, "shape": shape, "datatype": datatype, "data": data}
        return json.dumps({"inputs": [tensor]}).encode()

    def binary(datatype: str, data: bytes) -> tuple[str, dict[str, str], bytes]:
        size = {"binary_data_size": len(data)}
        tensor = {"name": spec.name, "shape": shape, "datatype": datatype, "parameters": size}
        asked = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
        head = json.dumps(asked).encode()
        return url, as_bytes | {"inference-header-content-length": str(len(head))}, head + data

    forms = {
        "raw": ("/predict", as_bytes, own),
        "V2 binary, INT8": binary(f"{'U' * (least == 0)}INT8", own),
        "V2 binary, FP32": binary("FP32", struct.pack(f"{count}f", *pixels)),
        "V2 JSON, INT8": (url, as_json, text(f"{'U' * (least == 0)}INT8", integers)),
        "V2 JSON, FP32 of 4 digits": (url, as_json, text("FP32", short)),
        "V2 JSON, FP32 of 17 digits": (url, as_json, text("FP32", pixels)),
        "V2 JSON, FP32 nested": (url, as_json, text("FP32", nested(short, shape))),
        "JSON of /predict, nested": (
            "/predict",
            as_json,
            json.dumps({"inputs": nested(short, shape)}).encode(),
        ),
    }
    if manifest.preprocessing.kind == "image":
        sizes = {"224 × 224": (224, 224), "640 × 480": (640, 480), "12 megapixels": (4000, 3000)}
        for name, size in sizes.items():
            forms[f"JPEG, {name}"] = ("/predict", {"content-type": "image/jpeg"}, jpeg(*size))
    return forms


def nested(numbers: list[Any], shape: list[int]) -> Any:
    """Lists of this shape."""
    for size in reversed(shape):
        numbers = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    return numbers[0]


def jpeg(width: int, height: int) -> bytes:
    """A picture with soft and sharp edges, as a camera's."""
    import io

    from PIL import Image, ImageFilter

    rng = random.Random(2)  # noqa: S311  # as above
    small = Image.frombytes("RGB", (32, 24), rng.randbytes(32 * 24 * 3))
    noise = Image.frombytes("RGB", (64, 64), rng.randbytes(64 * 64 * 3)).filter(ImageFilter.BLUR)
    picture = small.resize((width, height), Image.Resampling.BICUBIC)
    for left in range(0, width, 256):
        picture.paste(noise, (left, left % height))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def measure(model: Path, repeats_ms: float) -> dict[str, list[float]]:
    """Milliseconds to decode and to encode each form, in this process."""
    from liteship.artifact.folder import Artifact
    from liteship.runtime.http import Request, Response
    from liteship.runtime.predictor import Predictor
    from liteship.runtime.protocols.oip_request import read_request
    from liteship.runtime.protocols.oip_response import write_response
    from liteship.runtime.protocols.oip_tensors import decode_items

    predictor = Predictor(Artifact.load(model))
    predictor.warm_up()
    manifest = predictor.manifest
    rng = random.Random(3)  # noqa: S311  # as above
    outputs = [{spec.name: rng.randbytes(spec.size_bytes) for spec in manifest.outputs}]
    found = {}
    for name, (path, headers, body) in bodies(manifest).items():
        request = Request("POST", path, headers, body, "r")

        def decode(request: Request = request) -> Any:
            if request.path == "/predict":
                return None, predictor.prepare(request.body, request.headers["content-type"])
            asked = read_request(request, manifest, 32)
            return asked, decode_items(asked.inputs, manifest, 32, 30_000_000)

        asked, _ = decode()

        def encode(asked: Any = asked) -> Response:
            inference = predictor.conclude(manifest, outputs, {})
            if asked is not None:
                return write_response(inference, asked, predictor)
            return Response(200, predictor.tell(inference, None, is_list=False).fields)

        found[name] = [repeat(decode, repeats_ms), repeat(encode, repeats_ms)]
    return found


def measure_pixels() -> dict[str, list[float]]:
    """Milliseconds to normalise and quantize a decoded picture: by table, and in floats by NumPy."""
    import numpy as np

    from liteship.artifact.parts import Preprocessing
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.codecs.image import normalize

    pixels = random.Random(4).randbytes(224 * 224 * 3)  # noqa: S311  # as above
    found = {}
    for name, mean, std in (
        ("one mean and deviation", [127.5] * 3, [127.5] * 3),
        ("three of them", [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
    ):
        spec = TensorSpec("x", "int8", [1, 224, 224, 3], 1 / 60 if std[0] < 100 else 1 / 127, 0)
        preprocessing = Preprocessing("image", "RGB", mean=mean, std=std)
        means, deviations = np.array(mean, np.float32), np.array(std, np.float32)

        def by_table(spec: TensorSpec = spec, preprocessing: Preprocessing = preprocessing) -> bytes:
            return normalize(pixels, spec, preprocessing)

        def in_floats(spec: Any = spec, means: Any = means, deviations: Any = deviations) -> bytes:
            picture = np.frombuffer(pixels, np.uint8).reshape(224, 224, 3).astype(np.float32)
            steps = np.rint((picture - means) / deviations / np.float32(spec.scale)) + spec.zero_point
            return bytes(steps.clip(-128, 127).astype(np.int8).tobytes())

        found[name] = [repeat(by_table, 60), repeat(in_floats, 60)]
    return found


def repeat(call: Callable[[], object], least_ms: float) -> float:
    """Milliseconds of processor time that a call takes: the median of several."""
    call()
    times: list[float] = []
    while len(times) < 5 or sum(times) < least_ms:
        start = time.thread_time()
        call()
        times.append((time.thread_time() - start) * 1e3)
    return statistics.median(times)


def run(source: Path, model: Path) -> dict[str, list[float]]:
    """The same in a process of its own, of another `src`."""
    command = [sys.executable, __file__, "--model", str(model), "--inside"]
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])
    }
    done = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Prints a line for each form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="MobileNetV2's by default")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure(options.model, 60)))
        return
    from benchmarks.comparison.models import make_models

    model = options.model or make_models(("mobilenet",))["mobilenet"] / "model"
    sources = {"now": ROOT / "src"} | ({"before": options.against} if options.against else {})
    rounds = [{name: run(path, model) for name, path in sources.items()} for _ in range(options.runs)]
    print(
        f"{'ms of processor time':32}"
        + "".join(f"{f'decode {each}':>16}{f'encode {each}':>16}" for each in sources)
    )
    for form in rounds[0]["now"]:
        cells = [min(each[name][form][step] for each in rounds) for name in sources for step in (0, 1)]
        print(f"{form:32}" + "".join(f"{cell:16.3f}" for cell in cells))
    print(f"\n{'a decoded picture, 224 × 224':32}{'by table':>16}{'NumPy, floats':>16}")
    for name, cells in measure_pixels().items():
        print(f"{name:32}" + "".join(f"{cell:16.3f}" for cell in cells))


if __name__ == "__main__":
    main()
