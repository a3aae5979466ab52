"""`layers/slimming.py`: what a layer leaves out."""

from __future__ import annotations

import gzip
import importlib
import json
import struct
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


def segments(slimming: ModuleType, library: bytes) -> list[tuple[int, ...]]:
    """The headers of what is loaded."""
    (table,) = struct.unpack_from("<Q", library, 32)
    header_bytes, count = struct.unpack_from("<HH", library, 54)
    headers = (
        struct.unpack_from(slimming.HEADER, library, table + index * header_bytes)
        for index in range(count)
    )
    return [header for header in headers if header[0] == slimming.LOADED]


def test_of_a_library_only_what_is_loaded_stays_where_it_is_in_memory(slimming: ModuleType) -> None:
    (whole,) = Path(PIL.__file__).parent.glob("_imaging.*.so")
    content = whole.read_bytes()
    packed = slimming.only_loaded(content)
    assert len(packed) < len(content) / 2
    before, after = segments(slimming, content), segments(slimming, packed)
    assert [header[3:7] for header in before] == [header[3:7] for header in after]
    for (*_, old, _, _, size_bytes, _, _), (*_, new, address, _, _, _, alignment) in zip(
        before, after, strict=True
    ):
        start = 64 + len(before) * 100 if new == 0 else 0  # the headers themselves differ
        assert packed[new + start : new + size_bytes] == content[old + start : old + size_bytes]
        assert (address - new) % alignment == 0
    assert slimming.only_loaded(packed) == packed


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(58)])
def test_what_is_no_library_stays_as_it_is(slimming: ModuleType, content: bytes) -> None:
    assert slimming.only_loaded(content) == content


def test_a_library_whose_headers_are_not_loaded_first_stays_as_it_is(slimming: ModuleType) -> None:
    (whole,) = Path(PIL.__file__).parent.glob("_imaging.*.so")
    content = bytearray(whole.read_bytes())
    struct.pack_into("<Q", content, 32, len(content) - 4096)
    content[-4096:] = bytes(4096)
    assert slimming.only_loaded(bytes(content)) == bytes(content)
    other = bytearray(whole.read_bytes())
    struct.pack_into("<H", other, 18, 243)  # EM_RISCV
    assert slimming.only_loaded(bytes(other)) == bytes(other)
