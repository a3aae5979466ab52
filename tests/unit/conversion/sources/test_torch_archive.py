from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from liteship.conversion.sources.torch_archive import copy_harmless
from liteship.errors import SourceModelError

if TYPE_CHECKING:
    from pathlib import Path


def archive(folder: Path, model: Any, *members: str) -> Path:
    path = folder / "m.pt2"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("m/models/model.json", model if isinstance(model, str) else json.dumps(model))
        for name in ("data/weights/weight_0", "data/sample_inputs/model.pt", "byteorder", *members):
            file.writestr(f"m/{name}", b"x")
    return path


def refusal(path: Path) -> SourceModelError:
    with pytest.raises(SourceModelError) as raised:
        copy_harmless(path, path.with_name("copy.pt2"))
    return raised.value


@pytest.mark.parametrize(
    "expression",
    ["Symbol('s31', positive=True, integer=True)", "2*s0 + 1", "Max(1, s0//2)", "Eq(s0, 4) & (s1 < 3)"],
)
def test_arithmetic_on_sizes_is_harmless(expression: str, tmp_path: Path) -> None:
    path = archive(tmp_path, {"sizes": [{"as_expr": {"expr_str": expression}}]})
    copy_harmless(path, tmp_path / "copy.pt2")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "copy.pt2") as new:
        assert {each: old.read(each) for each in old.namelist()} == {
            each: new.read(each) for each in new.namelist()
        }


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "().__class__",
        "eval('1')",
        "S('1')",
        "sympify('1')",
        "Symbol('x; import os')",
        "[each for each in ()]",
        "(lambda: 1)()",
        "s0[0]",
        "f'{s0}'",
        "1 +",
        "(" * 300,
    ],
)
def test_an_expression_that_is_more_than_arithmetic_is_refused(expression: str, tmp_path: Path) -> None:
    error = refusal(archive(tmp_path, {"nested": [{"deep": {"expr_str": expression}}]}))
    assert error.reference == "source-unsafe"
    assert "evaluates" in error.problems[0]


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.linear.default",
        "torch.ops.higher_order.cond",
        "_operator.getitem",
        "torch.sym_max",
    ],
)
def test_operators_of_pytorch_are_harmless(target: str, tmp_path: Path) -> None:
    copy_harmless(archive(tmp_path, {"nodes": [{"target": target}]}), tmp_path / "copy.pt2")


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "torch.ops.load_library",
        "torch.ops.load_library.__func__",
        "torch.hub.load",
        "_operator.call",
        "_operator.attrgetter",
        "builtins.exec",
        "",
    ],
)
def test_any_other_function_is_refused(target: str, tmp_path: Path) -> None:
    error = refusal(archive(tmp_path, {"nodes": [{"target": target}]}))
    assert error.reference == "source-unsafe"
    assert "calls" in error.problems[0]


@pytest.mark.parametrize(
    "member",
    [
        "data/constants/opaque_obj_0",
        "data/constants/custom_obj_0",
        "data/aotinductor/model/model.so",
        "../outside",
    ],
)
def test_a_member_that_is_no_part_of_a_model_is_refused(member: str, tmp_path: Path) -> None:
    error = refusal(archive(tmp_path, {}, member))
    assert error.reference == "source-unsafe"
    assert member in error.problems[0]


def test_everything_found_is_told_at_once(tmp_path: Path) -> None:
    model = {"nodes": [{"target": "torch.os.system"}, {"expr_str": "eval('1')"}]}
    assert len(refusal(archive(tmp_path, model, "data/constants/opaque_obj_0")).problems) == 3


def test_a_model_that_is_no_json_is_damaged(tmp_path: Path) -> None:
    for content in ("", "{", "[" * 100_000):
        assert refusal(archive(tmp_path, content)).reference == "source-corrupt"
