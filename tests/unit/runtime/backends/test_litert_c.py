"""LiteRT's C API where only a process of its own can tell: memory, output, imports, sys.path."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from liteship.errors import ArtifactError, NotReadyError
from liteship.runtime.backends.litert_c import LIBRARY, LiteRtCInterpreter, find_library

ROOT = Path(__file__).parents[4]
MODELS = ROOT / "tests" / "data" / "models"

ANSWER = f"""
from liteship.runtime.interpreter import create_interpreter
model = open({str(MODELS / "conv-int8.tflite")!r}, "rb").read()
def answer():
    interpreter = create_interpreter(model)
    return interpreter.invoke({{n: bytes(s.size_bytes) for n, s in interpreter.inputs.items()}})
"""

GROWTH = """
import os
def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
for _ in range(50):
    answer()
before = resident_bytes()
for _ in range(200):
    answer()
print(resident_bytes() - before)
"""


def _run(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )


def test_the_library_is_found_without_importing_its_package() -> None:
    finished = _run(
        "import sys; from liteship.runtime.backends.litert_c import find_library;"
        "print(find_library()); assert 'ai_edge_litert' not in sys.modules"
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == find_library()


def test_without_the_library_it_is_not_ready() -> None:
    script = ANSWER + (
        "from liteship.errors import NotReadyError\n"
        "try:\n    answer()\n"
        "except NotReadyError as error:\n    print(error.reference, error.hint, sep='|')\n"
    )
    # -S leaves site-packages out of sys.path
    finished = _run(script, "-S")
    assert finished.returncode == 0, finished.stderr
    reference, hint = finished.stdout.strip().split("|")
    assert reference == "backend-missing"
    assert "ai-edge-litert" in hint


def test_an_answer_imports_neither_numpy_nor_the_package() -> None:
    finished = _run(ANSWER + "answer()\nimport sys\nprint(*sorted(sys.modules))")
    assert finished.returncode == 0, finished.stderr
    roots = {module.partition(".")[0] for module in finished.stdout.split()}
    assert "liteship" in roots
    assert roots.isdisjoint({"numpy", "ai_edge_litert", "tensorflow", "tflite_runtime"})


def test_an_answer_writes_one_information_line_at_most() -> None:
    finished = _run(ANSWER + "answer()\nanswer()")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == ""
    lines = finished.stderr.splitlines()
    assert len(lines) <= 1
    assert all(line.startswith("INFO: ") for line in lines)


def test_interpreters_that_are_dropped_give_their_memory_back() -> None:
    """200 that are kept take 16 MiB; 200 that are dropped were seen to leave 0.25 MiB behind."""
    finished = _run(ANSWER + GROWTH)
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) < 4 * 1024 * 1024


def test_a_refused_model_leaves_nothing_that_breaks_the_next() -> None:
    model = (MODELS / "conv-int8.tflite").read_bytes()
    for _ in range(20):
        with pytest.raises(ArtifactError):
            LiteRtCInterpreter(model[:2000])
    assert LiteRtCInterpreter(model).invoke({"image": bytes(432)})["scores"]


def test_a_dtype_that_liteship_does_not_serve_is_refused_when_loaded() -> None:
    with pytest.raises(ArtifactError) as caught:
        LiteRtCInterpreter((MODELS / "unserved-float16-input.tflite").read_bytes())
    assert caught.value.reference == "model-refused"
    assert "float32" in str(caught.value.expected)


def test_a_model_without_a_signature_is_served_by_its_tensors_names() -> None:
    interpreter = LiteRtCInterpreter((MODELS / "no-signature-float32.tflite").read_bytes())
    assert list(interpreter.inputs) == ["features"]
    assert list(interpreter.outputs) == ["Identity"]


@pytest.mark.parametrize("kind", ["text", "another library"])
def test_a_wrong_library_is_not_ready(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import _imaging

    library = tmp_path / LIBRARY
    library.parent.mkdir()
    if kind == "text":
        library.write_text("no ELF file")
    else:
        library.symlink_to(_imaging.__file__)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NotReadyError) as caught:
        LiteRtCInterpreter((MODELS / "dense-int8.tflite").read_bytes())
    assert caught.value.reference == "backend-broken"
    assert ".so: " in str(caught.value)


def _batched_models() -> list[Path]:
    """What has a batch dimension everywhere; `unserved-` and `trap-` answer nothing reliably."""
    functions = [
        ROOT / "functions" / name / "model" / "model.tflite" for name in ("digits", "shapes", "wine")
    ]
    corpus = [path for path in sorted(MODELS.glob("*.tflite")) if path.stem[:4] not in {"unse", "trap"}]
    return [
        path for path in (*functions, *corpus) if LiteRtCInterpreter(path.read_bytes()).takes_batches
    ]


def _random_item(interpreter: LiteRtCInterpreter, source: random.Random) -> dict[str, bytes]:
    item = {}
    for name, spec in interpreter.inputs.items():
        if spec.dtype == "bool":
            item[name] = bytes(source.choices((0, 1), k=spec.elements))
        elif spec.dtype == "float32":
            item[name] = array("f", [source.uniform(-1, 1) for _ in range(spec.elements)]).tobytes()
        else:
            item[name] = source.randbytes(spec.size_bytes)
    return item


@pytest.mark.parametrize("path", _batched_models(), ids=lambda path: path.parts[-3] + "-" + path.stem)
def test_several_items_are_answered_to_the_byte_as_each_alone(path: Path) -> None:
    model = path.read_bytes()
    alone, together = LiteRtCInterpreter(model), LiteRtCInterpreter(model)
    source = random.Random(5)  # noqa: S311  # not secrets
    items = [_random_item(alone, source) for _ in range(7 if len(model) > 500_000 else 33)]
    expected = [alone.invoke(item) for item in items]
    # Sizes that grow, shrink and come again: each is another shape of the same compiled model
    for count in (len(items), 1, 3, len(items), 2):
        inputs = {name: b"".join(item[name] for item in items[:count]) for name in alone.inputs}
        joined = {name: b"".join(each[name] for each in expected[:count]) for name in alone.outputs}
        assert together.invoke(inputs, count) == joined


def test_there_are_models_of_several_items_in_the_corpus() -> None:
    assert len(_batched_models()) > 30


def test_an_output_without_a_batch_dimension_takes_one_item() -> None:
    interpreter = LiteRtCInterpreter((MODELS / "scalar-float32.tflite").read_bytes())
    assert not interpreter.takes_batches
    assert len(interpreter.invoke({"features": bytes(128)})["total"]) == 4


def test_several_items_of_another_size_are_refused_and_the_next_answered() -> None:
    interpreter = LiteRtCInterpreter((MODELS / "dense-int8.tflite").read_bytes())
    with pytest.raises(ValueError, match=r"takes 96 bytes, received 64$"):
        interpreter.invoke({"features": bytes(64)}, 3)
    assert len(interpreter.invoke({"features": bytes(96)}, 3)["scores"]) == 15
    assert len(interpreter.invoke({"features": bytes(32)})["scores"]) == 5


def test_a_run_has_as_many_threads_as_it_is_given() -> None:
    """In a process of its own, whose threads are the interpreter's alone; answers are the same."""
    script = f"""
import os
from liteship.runtime.interpreter import create_interpreter
model = open({str(MODELS / "conv-int8.tflite")!r}, "rb").read()
answers, threads = [], []
for count in (1, 3):
    interpreter = create_interpreter(model, threads=count)
    answers.append(interpreter.invoke({{"image": bytes(range(216)) * 2}}))
    threads.append(len(os.listdir("/proc/self/task")))
print(threads, answers[0] == answers[1])
"""
    finished = _run(script)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "[1, 3] True"


SIZES = """
interpreter = create_interpreter(open(%r, "rb").read())
def answer():
    for count in (64, 1, 32):
        interpreter.invoke({"features": bytes(32 * count)}, count)
"""


def test_changing_sizes_leave_no_memory_behind() -> None:
    script = ANSWER + SIZES % str(MODELS / "dense-int8.tflite") + GROWTH
    finished = _run(script)
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) < 1024 * 1024
