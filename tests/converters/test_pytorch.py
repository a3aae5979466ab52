"""Real conversions of PyTorch sources: `make converters`."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from liteship.conversion.sources import check_source, source_digest
from liteship.conversion.sources.exported import Exported, ExportOptions
from liteship.conversion.sources.pytorch import export
from liteship.errors import ConfigurationError, ConversionError, LiteshipError, SourceModelError
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable

torch = pytest.importorskip("torch", reason="PyTorch has an environment of its own: make converters")
from tests.converters import torch_models  # noqa: E402
from tests.converters.comparison import greatest_difference, samples_for  # noqa: E402

# Deprecations between PyTorch, torchao and litert-torch, of which we own nothing
pytestmark = pytest.mark.filterwarnings("ignore")
MODELS = "tests.converters.torch_models"


def convert(source: str | Path, **options: Any) -> Exported:
    source_format = check_source(source)
    assert source_format in {"torch-factory", "torch-export", "torchscript"}
    exported = export(
        str(source),
        source_format,
        ExportOptions(**options),
        lambda *_: None,
    )
    assert exported.run is not None
    samples = samples_for(exported.float_model)
    assert greatest_difference(exported.float_model, samples, exported.run(samples)) < 1e-5
    return exported


def shapes(exported: Exported) -> dict[str, Any]:
    interpreter = create_interpreter(exported.float_model)
    specs = interpreter.inputs | interpreter.outputs
    return {name: (each.dtype, each.item_shape) for name, each in specs.items()}


def exported_program(name: str, path: Path, *, open_batch: bool = True) -> Path:
    module, example = getattr(torch_models, name)()
    examples = example if isinstance(example, tuple) else (example,)
    dynamic = None
    if open_batch:
        examples = tuple(torch.cat([each, each]) for each in examples)
        dynamic = tuple({0: torch.export.Dim("batch")} for _ in examples)
    program = torch.export.export(module.eval(), examples, dynamic_shapes=dynamic)
    torch.export.save(program, path)
    return path


def changed(path: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def refusal(source: str | Path, **options: Any) -> LiteshipError:
    with pytest.raises(LiteshipError) as raised:
        convert(source, **options)
    assert raised.value.hint
    return raised.value


def test_a_module_that_takes_nchw_pictures_becomes_a_model_that_takes_nhwc() -> None:
    assert shapes(convert(f"{MODELS}:classifier")) == {
        "image": ("float32", (1, 10, 8, 3)),
        "output": ("float32", (1, 10)),
    }


def test_the_source_runs_on_nhwc_pictures_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _ = torch_models.classifier()
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        f"from {MODELS} import Classifier\n"
        "def build():\n"
        "    module = Classifier()\n"
        "    module.load_state_dict(torch.load('weights.pt', weights_only=True))\n"
        "    return module\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    exported = convert("mine:build", input_shapes={"image": (1, 3, 10, 8)})
    pictures = np.random.default_rng(1).normal(size=(3, 10, 8, 3)).astype(np.float32)
    assert exported.run is not None
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(pictures.transpose(0, 3, 1, 2))).numpy()
    np.testing.assert_allclose(exported.run({"image": pictures})["output"], expected, atol=1e-6)


def test_a_module_may_keep_its_own_layout() -> None:
    assert shapes(convert(f"{MODELS}:classifier", channel_last=False))["image"][1] == (1, 3, 10, 8)


def test_a_module_alone_needs_a_shape() -> None:
    error = refusal(f"{MODELS}:without_example")
    assert isinstance(error, ConfigurationError)
    assert error.reference == "input-shape-missing"
    assert "--input-shape image=" in error.hint
    exported = convert(f"{MODELS}:without_example", input_shapes={"": (1, 3, 10, 8)})
    assert shapes(exported)["image"] == ("float32", (1, 10, 8, 3))


def test_layers_for_tables_and_sequences() -> None:
    assert shapes(convert(f"{MODELS}:mlp"))["input"] == ("float32", (1, 4))
    assert shapes(convert(f"{MODELS}:recurrent"))["sequence"] == ("float32", (1, 5, 4))


def test_two_inputs_ids_and_a_dict_of_outputs_keep_their_names() -> None:
    assert shapes(convert(f"{MODELS}:pair")) == {
        "ids": ("int32", (1, 6)),
        "extra": ("float32", (1, 3)),
        "scores": ("float32", (1, 2)),
        "best": ("int32", (1,)),
    }


def test_an_input_may_be_left_out() -> None:
    assert set(shapes(convert(f"{MODELS}:optional"))) == {"first", "second", "third", "output"}


@pytest.mark.parametrize("given", [{"picture": (1, 4)}, {"input": (1, -4)}, {"input": ()}])
def test_a_shape_that_does_not_fit_is_told(given: dict[str, Any]) -> None:
    assert refusal(f"{MODELS}:mlp", input_shapes=given).reference == "input-shape-invalid"


def test_a_picture_that_comes_out_is_nhwc_too() -> None:
    found = shapes(convert(f"{MODELS}:masks"))
    assert found["output_0"] == ("float32", (1, 6, 6, 5))
    assert found["output_1"] == ("float32", (1, 1))


@pytest.mark.parametrize("name", ["classifier", "mlp", "recurrent", "pair"])
def test_an_exported_program_with_an_open_batch(name: str, tmp_path: Path) -> None:
    direct = shapes(convert(f"{MODELS}:{name}"))
    assert shapes(convert(exported_program(name, tmp_path / "m.pt2"))) == direct


def test_an_exported_program_with_a_keyword_and_one_sample(tmp_path: Path) -> None:
    module, (ids, extra) = torch_models.pair()
    program = torch.export.export(module.eval(), (ids,), {"extra": extra})
    torch.export.save(program, tmp_path / "m.pt2")
    assert shapes(convert(tmp_path / "m.pt2")) == shapes(convert(f"{MODELS}:pair"))


def test_an_exported_program_with_a_batch_of_its_own_is_refused(tmp_path: Path) -> None:
    error = refusal(exported_program("classifier", tmp_path / "m.pt2", open_batch=False))
    assert error.reference == "source-batch"
    assert "(4, 3, 10, 8)" in str(error.received)


def test_an_open_width_needs_a_shape(tmp_path: Path) -> None:
    module = torch_models.Masks().eval()
    dynamic = ({0: torch.export.Dim("batch"), 3: torch.export.Dim("width", min=4)},)
    program = torch.export.export(module, (torch.rand(2, 3, 8, 9),), dynamic_shapes=dynamic)
    torch.export.save(program, tmp_path / "m.pt2")
    assert refusal(tmp_path / "m.pt2").reference == "input-shape-missing"
    exported = convert(tmp_path / "m.pt2", input_shapes={"image": (1, 3, 8, 12)})
    assert shapes(exported)["image"][1] == (1, 8, 12, 3)


def test_a_program_that_was_exported_in_training_mode_is_refused(tmp_path: Path) -> None:
    module, example = torch_models.classifier()
    torch.export.save(torch.export.export(module.train(), (example,)), tmp_path / "m.pt2")
    error = refusal(tmp_path / "m.pt2")
    assert error.reference == "source-training"
    assert len(error.problems) == 2  # dropout and batch normalisation


@pytest.mark.parametrize("way", ["script", "trace"])
def test_torchscript_is_converted_where_it_can_be(way: str, tmp_path: Path) -> None:
    module, example = torch_models.classifier()
    module.eval()
    script = torch.jit.script(module) if way == "script" else torch.jit.trace(module, example[:1])
    torch.jit.save(script, tmp_path / "m.pt")
    assert refusal(tmp_path / "m.pt").reference == "input-shape-missing"
    exported = convert(tmp_path / "m.pt", input_shapes={"": (1, 3, 10, 8)})
    assert shapes(exported)["image"] == ("float32", (1, 10, 8, 3))


def test_torchscript_that_cannot_be_converted_names_the_other_way(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch_models.Recurrent().eval()), tmp_path / "m.pt")
    error = refusal(tmp_path / "m.pt", input_shapes={"": (1, 5, 3)})  # it takes four columns
    assert error.reference in {"torchscript-conversion", "source-inputs"}
    torch.jit.save(torch.jit.script(torch_models.Rolling()), tmp_path / "m.pt")
    error = refusal(tmp_path / "m.pt", input_shapes={"": (1, 3)})
    assert error.reference == "torchscript-conversion"
    assert "torch.export.save(program" in error.hint


@pytest.mark.parametrize(
    ("name", "words"),
    [("determinant", "aten._linalg_det"), ("undecided", "depends on the values")],
)
def test_what_has_no_operator_is_named(name: str, words: str) -> None:
    error = refusal(f"{MODELS}:{name}")
    assert isinstance(error, ConversionError)
    assert error.reference == "float-conversion"
    assert words in error.message


@pytest.mark.parametrize(
    ("name", "reference", "words"),
    [
        ("nothing", "source-factory", "AttributeError"),
        ("broken", "source-factory", "no weights here"),
        ("number", "source-factory", "int"),
        ("scripted", "source-factory", "ScriptModule"),
        ("stranger", "source-inputs", "nonsense"),
    ],
)
def test_a_factory_that_makes_no_module_is_told(name: str, reference: str, words: str) -> None:
    error = refusal(f"{MODELS}:{name}")
    assert isinstance(error, SourceModelError)
    assert error.reference == reference
    assert words in str(error)


def test_ids_without_an_example_are_told() -> None:
    shape = {"ids": (1, 6), "extra": (1, 3)}
    error = refusal(f"{MODELS}:Pair", input_shapes=shape)
    assert error.reference == "source-inputs"
    assert "example_inputs" in error.hint


def test_weights_alone_and_pickled_modules_are_refused(tmp_path: Path) -> None:
    module, _ = torch_models.classifier()
    for name, content in (("weights.pt", module.state_dict()), ("module.pth", module)):
        torch.save(content, tmp_path / name)
        error = refusal(tmp_path / name)
        assert error.reference == "source-weights-only"
        assert "load_state_dict" in error.hint
    torch.save(module.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert refusal(tmp_path / "old.pt").reference == "source-weights-only"


class Hostile:
    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return (Path.touch, (Path("was-here"),))


def _with_expression(name: str, content: bytes) -> bytes:
    code = "__import__('pathlib').Path('was-here').touch()"
    if not name.endswith("models/model.json"):
        return content
    return content.replace(b"Symbol(", f"{code} or Symbol(".encode())


def _with_target(name: str, content: bytes) -> bytes:
    return content.replace(b"torch.ops.aten.relu.default", b"torch.os.getcwd")


def _with_guard(name: str, content: bytes) -> bytes:
    if not name.endswith("models/model.json"):
        return content
    model = json.loads(content)
    model["guards_code"] = ["open('was-here', 'w') is not None"]
    return json.dumps(model).encode()


def _with_samples(name: str, content: bytes) -> bytes:
    return pickle.dumps(Hostile()) if "sample_inputs" in name else content


@pytest.mark.parametrize("change", [_with_expression, _with_target, _with_guard, _with_samples])
def test_a_hostile_program_runs_nothing(
    change: Callable[[str, bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = exported_program("mlp", tmp_path / "m.pt2")
    hostile = changed(path, tmp_path / "hostile.pt2", change)
    assert (
        hostile.read_bytes() != changed(path, tmp_path / "same.pt2", lambda _, each: each).read_bytes()
    )
    try:
        convert(hostile)
    except SourceModelError as error:
        assert error.reference in {"source-unsafe", "source-corrupt"}  # noqa: PT017  # or it is harmless
    assert not (tmp_path / "was-here").exists()


def test_members_that_are_no_model_are_refused(tmp_path: Path) -> None:
    path = exported_program("mlp", tmp_path / "m.pt2")
    for member in ("m/data/constants/opaque_obj_0", "m/data/aotinductor/model/model.so"):
        hostile = changed(path, tmp_path / "hostile.pt2", lambda _, each: each)
        with zipfile.ZipFile(hostile, "a") as archive:
            archive.writestr(member, pickle.dumps(Hostile()))
        error = refusal(hostile)
        assert error.reference == "source-unsafe"
        assert member in str(error)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    whole = exported_program("mlp", tmp_path / "m.pt2").read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pt2").write_bytes(whole[:length])
        assert refusal(tmp_path / "cut.pt2").reference == "source-corrupt"


def test_the_same_module_has_the_same_digest(tmp_path: Path) -> None:
    module, example = torch_models.mlp()
    for name in ("a.pt2", "b.pt2"):
        torch.export.save(torch.export.export(module, (example,)), tmp_path / name)
    digests = {source_digest(tmp_path / name, "torch-export") for name in ("a.pt2", "b.pt2")}
    assert len(digests) == 1
    other = exported_program("mlp", tmp_path / "c.pt2")
    assert source_digest(other, "torch-export") not in digests


def test_without_litert_torch_the_extra_is_named() -> None:
    code = """
import sys
sys.modules["litert_torch"] = None
from liteship.conversion.sources.exported import ExportOptions
from liteship.conversion.sources.pytorch import export
from liteship.errors import LiteshipError
try:
    export("a:b", "torch-factory", ExportOptions(), print)
except LiteshipError as error:
    print(error.reference, error.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "extra-missing pip install 'liteship[torch]'"
