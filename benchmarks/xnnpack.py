"""What LiteRT's options for XNNPACK cost and save: threads, items a run, weight cache, no XNNPACK.

    python -m benchmarks.xnnpack [runs | starts]

`runs`: milliseconds an item, in one process, candidates in turn. `starts`: a fresh process from reading
the model to its first answer, variants in turn. Decision 15 holds the tables.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.comparison.models import BUILD, ROOT, make_models

from liteship.artifact import Artifact, Preprocessing
from liteship.artifact.tensors import real_numbers
from liteship.conversion.speed import Candidate, measure_costs
from liteship.runtime.backends.litert_c import LiteRtCInterpreter

if TYPE_CHECKING:
    import ctypes

CANDIDATES = (Candidate(), Candidate(threads=2), *(Candidate(items=n) for n in (2, 8, 32, 128)))
STARTS = 15
DENSE = BUILD / "dense"
"""784 → 4096 → 4096 → 10: its weights, 20 MB as int8, are read once a run and do little else."""

VARIANTS = {
    "as it is": "",
    "2 threads": "num_threads = 2",
    "weight cache, empty": 'weight_cache_file_path = "{empty}"',
    "weight cache, packaged": 'weight_cache_file_path = "{packaged}"',
    "without XNNPACK": 'kernel_mode = "builtin"',
}


class Configured(LiteRtCInterpreter):
    """With any of the CPU options of litert/c/options/litert_cpu_options.cc, as TOML."""

    def __init__(self, model: bytes, toml: str) -> None:
        self._toml = toml
        super().__init__(model)

    def _options(self, threads: int) -> ctypes.c_void_p:
        options = super()._options(threads)
        if self._toml:
            self._set_cpu_options(options, self._toml.encode())
        return options


def models() -> dict[str, tuple[Path, dict[str, bytes]]]:
    """Each model's file, and an item for it."""
    folders = {**make_models(), "dense": make_dense()}
    found = {}
    for name, folder in folders.items():
        artifact = Artifact.load(folder / "model")
        item = artifact.golden_tensors
        (spec,) = artifact.manifest.inputs
        numbers = array("f", real_numbers(item[spec.name], spec)).tobytes()
        found[f"{name} int8"] = folder / "model" / "model.tflite", item
        found[f"{name} float32"] = folder / "float32.tflite", {spec.name: numbers}
    for name in ("digits", "shapes", "wine"):
        folder = ROOT / "functions" / name / "model"
        artifact = Artifact.load(folder)
        found[f"{name} int8"] = folder / "model.tflite", artifact.golden_tensors
    return found


def make_dense() -> Path:
    """A function folder of the large dense model, as `make_models` makes the others."""
    if not DENSE.exists():
        print("making dense", file=sys.stderr)
        command = (sys.executable, "-m", "benchmarks.xnnpack", "make-dense")
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return DENSE


def _make_dense() -> None:
    import keras
    import numpy as np

    import liteship

    keras.utils.set_random_seed(7)
    sizes = (4096, 4096)
    layers = [keras.layers.Dense(size, "relu") for size in sizes] + [keras.layers.Dense(10)]
    network = keras.Sequential([keras.Input((784,), name="features"), *layers])
    samples = np.random.default_rng(7).uniform(0, 1, (64, 784)).astype("float32")
    part = DENSE.with_suffix(".part")
    for scheme in ("float32", "int8"):
        liteship.convert(
            network,
            part / scheme,
            calibration={network.inputs[0].name: samples},
            scheme=scheme,
            preprocessing=Preprocessing("tensor"),
            name="dense",
        )
    shutil.copyfile(part / "float32" / "model.tflite", part / "float32.tflite")
    (part / "int8").rename(part / "model")
    part.rename(DENSE)


def print_runs() -> None:
    """Prints a table of models and candidates."""
    print("| model | " + " | ".join(map(_title, CANDIDATES)) + " |")
    print("|---|" + "---|" * len(CANDIDATES))
    for name, (path, item) in models().items():
        costs = measure_costs(path.read_bytes(), item, CANDIDATES)
        cells = [
            f"{each.median_cpu_ms:.4g}"
            + (f" ({each.median_wall_ms:.4g})" if each.candidate.items == 1 else "")
            + ("" if each.is_exact else " differs")
            for each in costs
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def _title(candidate: Candidate) -> str:
    if candidate.threads > 1:
        return f"{candidate.threads} threads, CPU (time)"
    return f"{candidate.items} items" if candidate.items > 1 else "one item, CPU (time)"


def print_starts() -> None:
    """Prints a table of models and variants, medians of `STARTS` processes."""
    print("| model | variant | ms | CPU ms | MiB added | run ms | cache MB |")
    print("|---|---|---|---|---|---|---|")
    for name, (path, item) in models().items():
        with tempfile.TemporaryDirectory() as folder:
            places = {"empty": f"{folder}/empty", "packaged": f"{folder}/packaged"}
            (Path(folder) / "item").write_bytes(next(iter(item.values())))
            found: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
            _start(path, f"{folder}/item", VARIANTS["weight cache, packaged"].format(**places))
            for _ in range(STARTS):
                for variant, toml in VARIANTS.items():
                    found[variant].append(_start(path, f"{folder}/item", toml.format(**places)))
                    Path(places["empty"]).unlink(missing_ok=True)
            cache_bytes = os.path.getsize(places["packaged"])
        for variant, starts in found.items():
            fields = ("ms", "cpu_ms", "mib", "run_ms")
            cells = [f"{median(each[field] for each in starts):.4g}" for field in fields]
            size = f"{cache_bytes / 1e6:.2f}" if "cache" in variant else ""
            print(f"| {name} | {variant} | " + " | ".join(cells) + f" | {size} |", flush=True)


def _start(model: Path, item: str, toml: str) -> dict[str, float]:
    command = (sys.executable, "-m", "benchmarks.xnnpack", "start", str(model), item, toml)
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measure_start(model: str, item: str, toml: str) -> dict[str, Any]:
    """From reading the model to its first answer, then 20 runs more."""
    data = Path(item).read_bytes()
    before_bytes = _resident_bytes()
    start_s, cpu_s = time.perf_counter(), time.process_time()
    interpreter = Configured(Path(model).read_bytes(), toml)
    inputs = dict.fromkeys(interpreter.inputs, data)
    interpreter.invoke(inputs)
    ms, cpu_ms = (time.perf_counter() - start_s) * 1e3, (time.process_time() - cpu_s) * 1e3
    runs = []
    for _ in range(20):
        run_s = time.perf_counter()
        interpreter.invoke(inputs)
        runs.append((time.perf_counter() - run_s) * 1e3)
    mib = (_resident_bytes() - before_bytes) / 2**20
    return {"ms": ms, "cpu_ms": cpu_ms, "mib": mib, "run_ms": min(runs)}


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    task, *rest = sys.argv[1:] or ["runs"]
    if task == "start":
        print(json.dumps(_measure_start(*rest)))
    elif task == "make-dense":
        _make_dense()
    elif task == "starts":
        print_starts()
    else:
        print_runs()
