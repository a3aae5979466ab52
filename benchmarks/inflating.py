"""What it would cost at a cold start to read a model that is stored compressed.

.venv/bin/python benchmarks/inflating.py MODEL.tflite [...]

For each file: bytes as stored, bytes once a zip package or an image layer has deflated what is stored,
and milliseconds and CPU milliseconds to import what inflates it, read and inflate it: medians of ROUNDS
fresh processes side by side. zstd is the module zstandard here; Python has one of its own from 3.14.
"""

from __future__ import annotations

import lzma
import statistics
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import zstandard

from liteship.cli.output import print_table

ROUNDS = 15

INFLATE = {
    "raw": "inflate = bytes",
    "zlib": "from zlib import decompress as inflate",
    "xz": "from lzma import decompress as inflate",
    "zstd": "from zstandard import decompress as inflate",
}

SCRIPT = """
import sys, time
wall, cpu = time.perf_counter(), time.process_time()
{inflate}
with open(sys.argv[1], "rb") as file:
    inflate(file.read())
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def main() -> None:
    """Prints a table a model."""
    for name in sys.argv[1:]:
        model = Path(name).read_bytes()
        stored = {
            "raw": model,
            "zlib": zlib.compress(model, 9),
            "xz": lzma.compress(model, preset=9),
            "zstd": zstandard.ZstdCompressor(level=19).compress(model),
        }
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in stored}
        with tempfile.TemporaryDirectory() as folder:
            for way, content in stored.items():
                (Path(folder) / way).write_bytes(content)
            for _ in range(ROUNDS):
                for way, several in times.items():
                    script = SCRIPT.format(inflate=INFLATE[way])
                    done = subprocess.run(
                        [sys.executable, "-c", script, f"{folder}/{way}"],
                        check=True,
                        capture_output=True,
                        text=True,
                    )
                    wall_s, cpu_s = map(float, done.stdout.split())
                    several.append((wall_s * 1000, cpu_s * 1000))
        rows = []
        for way, content in stored.items():
            wall_ms, cpu_ms = map(statistics.median, zip(*times[way], strict=True))
            shipped = len(zlib.compress(content, 9))
            rows.append((way, f"{len(content):,}", f"{shipped:,}", f"{wall_ms:.1f}", f"{cpu_ms:.1f}"))
        print_table(Path(name).name, ("stored as", "bytes", "in a zip", "ms", "CPU ms"), rows)


if __name__ == "__main__":
    main()
