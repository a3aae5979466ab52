from __future__ import annotations

import datetime as dt
import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from liteship.config import FunctionConfig
from liteship.errors import LimitError
from liteship.packaging.limits import (
    LimitCheck,
    check_image_limits,
    check_limits,
    require_limits,
)
from liteship.packaging.package import Package, Part
from liteship.packaging.quotas import (
    CONCURRENCY,
    DIRECT_UPLOAD_BYTES,
    IMAGE_BYTES,
    IMAGE_LAYERS,
    MIB,
    PAYLOAD_BYTES,
    PYTHON_ENDS,
    UNZIPPED_BYTES,
)
from liteship.packaging.setting_limits import PIXEL_BYTES
from liteship.project import FunctionFolder

if TYPE_CHECKING:
    from typing import Any

TODAY = dt.date(2026, 11, 22)
LIBRARY = Path(str(importlib.util.find_spec("ai_edge_litert").origin)).with_name("libLiteRt.so")  # type: ignore[union-attr]


def make_function(folder: Path, **sections: dict[str, Any]) -> FunctionFolder:
    content: dict[str, Any] = {
        "name": "digits",
        "version": "1",
        "model": {"source": "m.keras", "calibration": "c.npz"},
        "input": {"kind": "image"},
    }
    config = FunctionConfig.model_validate({**content, **sections})
    return FunctionFolder(folder=folder, config=config)


def make_part(name: str, zipped_bytes: int = 1, unzipped_bytes: int = 1) -> Part:
    return Part(
        name=name,
        path=Path(f"{name}.zip"),
        zipped_bytes=zipped_bytes,
        unzipped_bytes=unzipped_bytes,
        contents=(),
    )


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """One library, packed for x86_64 and Python 3.13."""
    folder = tmp_path / "layer"
    folder.mkdir()
    shutil.copy(LIBRARY, folder)
    return Package(
        name="digits",
        python="3.13",
        architecture="x86_64",
        has_byte_code=False,
        parts=(make_part("function"), make_part("web")),
        sbom=Path("sbom.cdx.json"),
        python_path=(folder,),
    )


def checks_of(
    package: Package, *, today: dt.date = TODAY, **sections: dict[str, Any]
) -> dict[str, LimitCheck]:
    checks = check_limits(make_function(Path("functions/digits"), **sections), package, today=today)
    return {check.name: check for check in checks}


def on_lambda(**settings: Any) -> dict[str, Any]:
    """The section `[lambda]`, whose name is a keyword of Python's."""
    return {"lambda": settings}


def exceeded(
    package: Package, *, today: dt.date = TODAY, **sections: dict[str, Any]
) -> dict[str, LimitCheck]:
    checks = checks_of(package, today=today, **sections)
    return {name: check for name, check in checks.items() if not check.ok}


def test_everything_within_limits(package: Package) -> None:
    checks = check_limits(make_function(Path("functions/digits")), package, today=TODAY)
    assert len({check.name for check in checks}) == len(checks)
    assert [check.name for check in checks if not check.ok] == []
    require_limits(checks)


@pytest.mark.parametrize(("over", "verdict"), [(0, "ok"), (1, "note")])
def test_a_large_zip_file_has_to_go_through_s3(package: Package, over: int, verdict: str) -> None:
    part = make_part("function", zipped_bytes=DIRECT_UPLOAD_BYTES + over)
    found = checks_of(replace(package, parts=(part,)))["function-zipped"]
    assert (found.verdict, "through S3" in found.note) == (verdict, bool(over))


@pytest.mark.parametrize(("over", "refused"), [(0, set()), (1, {"unzipped"})])
def test_layers_count_towards_the_unzipped_size(package: Package, over: int, refused: set[str]) -> None:
    half = UNZIPPED_BYTES // 2
    parts = (
        make_part("function", unzipped_bytes=half),
        make_part("web", unzipped_bytes=half + over),
    )
    assert exceeded(replace(package, parts=parts)).keys() == refused


def test_at_most_five_layers(package: Package) -> None:
    parts = tuple(make_part(name) for name in ("function", "a", "b", "c", "d", "e"))
    assert exceeded(replace(package, parts=parts)) == {}
    assert exceeded(replace(package, parts=(*parts, make_part("f")))).keys() == {"layers"}


def test_http_cannot_wait_as_long_as_lambda(package: Package) -> None:
    assert exceeded(package, runtime={"timeout_s": 29}) == {}
    assert exceeded(package, runtime={"timeout_s": 30}).keys() == {"http-timeout"}
    only_s3 = {"http": False, "s3": {}}
    assert exceeded(package, runtime={"timeout_s": 900}, triggers=only_s3) == {}


def test_a_function_url_waits_as_long_as_lambda(package: Package) -> None:
    url = on_lambda(http="function-url")
    assert exceeded(package, runtime={"timeout_s": 900}, **url) == {}


def test_a_body_grows_by_a_third_on_its_way(package: Package) -> None:
    assert exceeded(package, runtime={"max_body_bytes": PAYLOAD_BYTES}).keys() == {"http-payload"}
    assert exceeded(package, runtime={"max_body_bytes": PAYLOAD_BYTES * 3 // 4}).keys() == {
        "http-payload"
    }
    assert exceeded(package, runtime={"max_body_bytes": 4_500_000}) == {}
    only_s3 = {"http": False, "s3": {}}
    assert exceeded(package, runtime={"max_body_bytes": PAYLOAD_BYTES}, triggers=only_s3) == {}


def test_python_ends(package: Package) -> None:
    last = PYTHON_ENDS["3.13"]
    assert exceeded(package, today=last) == {}
    assert exceeded(package, today=last + dt.timedelta(days=1)).keys() == {"python"}
    assert exceeded(replace(package, python="3.11")).keys() == {"python"}


def test_a_library_for_another_processor_is_named(package: Package) -> None:
    checks = exceeded(replace(package, architecture="arm64"))
    assert checks.keys() == {"architecture"}
    assert "libLiteRt.so" in checks["architecture"].hint


def test_a_library_for_a_newer_glibc_is_named(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liteship.packaging.limits.GLIBC", (2, 17))
    checks = exceeded(package)
    assert checks.keys() == {"glibc"}
    assert "libLiteRt.so" in str(checks["glibc"].value)


def test_an_extension_for_another_python_is_told(package: Package) -> None:
    folder = package.python_path[0]
    shutil.copy(LIBRARY, folder / "_imaging.cpython-312-x86_64-linux-gnu.so")
    checks = exceeded(package)
    assert checks.keys() == {"extensions"}
    assert checks["extensions"].value == "3.12"


def test_every_exceeded_limit_is_reported_at_once(package: Package) -> None:
    part = make_part("function", unzipped_bytes=UNZIPPED_BYTES + 1)
    function = make_function(Path("functions/digits"), runtime={"timeout_s": 60})
    checks = check_limits(function, replace(package, parts=(part,)), today=TODAY)
    with pytest.raises(LimitError) as raised:
        require_limits(checks)
    assert raised.value.reference == "limit-exceeded"
    assert [problem.split(":")[0] for problem in raised.value.problems] == [
        "unzipped",
        "http-timeout",
    ]
    assert raised.value.problems[1].startswith("http-timeout: 60 s, limit 29 s; ")


def test_the_environment_has_a_limit(package: Package) -> None:
    prefixes = {"input_prefix": "i" * 512, "output_prefix": "o" * 512}
    checks = check_limits(
        make_function(Path("functions/digits"), triggers={"s3": prefixes}), package, today=TODAY
    )
    (check,) = [check for check in checks if check.name == "environment"]
    assert int(check.value) > 1024
    assert check.ok


@pytest.mark.parametrize(("size_mib", "verdict"), [(512, "ok"), (513, "over")])
def test_a_model_from_s3_must_fit_into_tmp(
    artifact_folder: Path, tmp_path: Path, package: Package, size_mib: int, verdict: str
) -> None:
    content = json.loads((artifact_folder / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content | {"size_bytes": size_mib * MIB}))
    model = {"source": "m.keras", "calibration": "c.npz", "location": "s3://bucket/models"}
    function = make_function(tmp_path, model=model)
    function = replace(function, config=function.config.with_model_in(tmp_path))
    checks = {check.name: check for check in check_limits(function, package, today=TODAY)}
    assert checks["model-download"].verdict == verdict
    environment = function.config.lambda_model().environment  # type: ignore[union-attr]
    assert int(checks["environment"].value) >= sum(map(len, environment.values()))


@pytest.mark.parametrize(("memory_mib", "refused"), [(200, set()), (199, {"input-memory"})])
def test_the_largest_input_has_to_fit_into_memory(
    package: Package, memory_mib: int, refused: set[str]
) -> None:
    object_bytes = 4 * MIB
    runtime = {
        "memory_mib": memory_mib,
        "max_body_bytes": 1,
        "max_object_bytes": object_bytes,
        "max_pixels": (200 * MIB - object_bytes) // PIXEL_BYTES,
    }
    found = exceeded(package, runtime=runtime, triggers={"s3": {}})
    assert found.keys() == refused
    for check in found.values():
        assert "max_pixels or runtime.max_body_bytes or runtime.max_object_bytes" in check.hint


def test_a_hint_names_only_keys_that_matter(package: Package) -> None:
    runtime = {"memory_mib": 128, "max_object_bytes": 128 * MIB + 1}
    triggers = {"http": False, "s3": {}}
    found = exceeded(package, runtime=runtime, triggers=triggers, input={"kind": "tensor"})
    assert found["input-memory"].hint.endswith("or lower runtime.max_object_bytes")


def test_quotas_that_can_be_raised_are_told_and_not_refused(package: Package) -> None:
    reserved = on_lambda(reserved_concurrency=CONCURRENCY + 1, provisioned_concurrency=1)
    checks = checks_of(package, **reserved)
    assert checks["reserved-concurrency"].verdict == "note"
    assert "higher quota" in checks["reserved-concurrency"].note
    assert checks["provisioned-concurrency"].verdict == "ok"
    checks = checks_of(package, **on_lambda(reserved_concurrency=0))
    assert "stops" in checks["reserved-concurrency"].note


def test_more_tmp_is_paid_for_nothing(package: Package) -> None:
    assert checks_of(package)["tmp"].verdict == "ok"
    assert checks_of(package, **on_lambda(tmp_mib=513))["tmp"].verdict == "note"


def test_snapstart_is_checked_where_it_is_asked_for(package: Package) -> None:
    assert "snap-start" not in checks_of(package)
    assert checks_of(package, **on_lambda(snap_start=True))["snap-start"].ok


def make_image(**fields: Any) -> Any:
    """What is read of an image."""
    whole = {"size_bytes": 1, "layers": ("base",), "architecture": "x86_64", "python": "3.13"}
    return SimpleNamespace(**(whole | fields))


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"size_bytes": IMAGE_BYTES, "layers": ("layer",) * IMAGE_LAYERS}, set()),
        ({"size_bytes": IMAGE_BYTES + 1}, {"image"}),
        ({"layers": ("layer",) * (IMAGE_LAYERS + 1)}, {"image-layers"}),
        ({"architecture": "arm64"}, {"architecture"}),
        ({"python": "3.11"}, {"python"}),
    ],
)
def test_an_image_has_limits_of_its_own(fields: dict[str, Any], refused: set[str]) -> None:
    function = make_function(Path("functions/digits"))
    checks = check_image_limits(function, make_image(**fields), today=TODAY)
    assert {check.name for check in checks if not check.ok} == refused
    assert {"memory", "environment", "http-payload", "tmp"} <= {check.name for check in checks}
