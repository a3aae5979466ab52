"""`layers/slimming.py`: what a layer leaves out."""

from __future__ import annotations

import gzip
import importlib
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import PIL
import pytest

if TYPE_CHECKING:
    from types import ModuleType

LAYERS = Path(__file__).parents[3] / "layers"


@pytest.fixture
def slimming(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(LAYERS)  # as for build.py beside it
    return importlib.import_module("slimming")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """As pip leaves a package behind."""
    root = tmp_path / "installed"
    for name in (
        *("pkg/__init__.py", "pkg/tests/test_a.py", "pkg/data/s3/api.json", "pkg/data/ec2/api.json"),
        *("pkg-1.dist-info/RECORD", "pkg-1.dist-info/INSTALLER", "pkg-1.dist-info/METADATA"),
        *("pkg-1.dist-info/licenses/LICENSE", "bin/pkg", "pkg/__pycache__/__init__.cpython-311.pyc"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


METADATA = {"pkg-1.dist-info", "pkg-1.dist-info/METADATA"}
LICENCE = {"pkg-1.dist-info/licenses", "pkg-1.dist-info/licenses/LICENSE"}


def test_keep_keeps_nothing_else(slimming: ModuleType, installed: Path) -> None:
    slimming.slim(installed, {"keep": [{"files": ["pkg/__init__.py"], "why": "it"}]}, "mine")
    assert files(installed) == {"pkg", "pkg/__init__.py"}


def test_remove_spares_exceptions_licences_and_metadata(slimming: ModuleType, installed: Path) -> None:
    rules = [
        {"files": ["pkg/tests/*"], "why": "tests"},
        {"files": ["pkg/data/*"], "except": ["pkg/data/s3/*"], "why": "one service is enough"},
    ]
    slimming.slim(installed, {"remove": rules}, "mine")
    data = {"pkg/data", "pkg/data/s3", "pkg/data/s3/api.json"}
    assert files(installed) == {"pkg", "pkg/__init__.py"} | data | METADATA | LICENCE


def test_what_pip_wrote_for_itself_goes_in_any_case(slimming: ModuleType, installed: Path) -> None:
    slimming.slim(installed, {}, "mine")
    assert "pkg/tests/test_a.py" in files(installed)
    assert not {"bin", "pkg-1.dist-info/RECORD", "pkg/__pycache__"} & files(installed)


def test_a_pattern_that_matches_nothing_is_refused(slimming: ModuleType, installed: Path) -> None:
    rules = {"remove": [{"files": ["pkg/gone.*", "pkg/tests/*"], "why": "old"}]}
    with pytest.raises(slimming.LayerError, match=r"mine/layer\.toml.* pkg/gone\.\*;"):
        slimming.slim(installed, rules, "mine")
    assert "pkg/tests/test_a.py" in files(installed)


def test_json_loses_words_and_white_space_and_what_is_not_wanted(
    slimming: ModuleType, installed: Path
) -> None:
    described = {
        "documentation": "<p>Words.</p>",
        "shapes": {"Doc": {"members": {"documentation": {"shape": "Text", "documentation": "More."}}}},
    }
    places = {"partitions": [{"services": {"s3": {"a": 1}, "ec2": {"b": 2}}, "regions": {"r": 1}}]}
    (installed / "pkg/api.json.gz").write_bytes(gzip.compress(json.dumps(described).encode()))
    (installed / "pkg/places.json").write_text(json.dumps(places, indent=4))
    rules = [
        {"files": ["pkg/*.json.gz"], "empty": ["documentation"], "why": "words"},
        {"files": ["pkg/places.json"], "only": {"services": ["s3", "sqs"]}, "why": "one is enough"},
    ]
    slimming.slim(installed, {"shorten": rules}, "mine")
    assert not (installed / "pkg/api.json.gz").exists()
    member = '{"shape":"Text","documentation":""}'
    shortened = f'{{"documentation":"","shapes":{{"Doc":{{"members":{{"documentation":{member}}}}}}}}}'
    assert (installed / "pkg/api.json").read_text() == shortened
    kept = '{"partitions":[{"services":{"s3":{"a":1}},"regions":{"r":1}}]}'
    assert (installed / "pkg/places.json").read_text() == kept


def test_debug_information_is_cleared_and_what_is_loaded_stays(slimming: ModuleType) -> None:
    (whole,) = Path(PIL.__file__).parent.glob("_imaging.*.so")
    content = whole.read_bytes()
    cleared = slimming.without_debug_information(content)
    assert len(cleared) == len(content)
    assert len(zlib.compress(cleared)) < len(zlib.compress(content)) / 2
    assert cleared.count(0) > content.count(0)
    kept = [new for old, new in zip(content, cleared, strict=True) if new not in {0, old}]
    assert kept == []
    assert slimming.without_debug_information(cleared) == cleared


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(58)])
def test_what_is_no_library_stays_as_it_is(slimming: ModuleType, content: bytes) -> None:
    assert slimming.without_debug_information(content) == content
