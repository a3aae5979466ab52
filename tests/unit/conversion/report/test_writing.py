from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.unit.conversion.report.evidence_of import bare, full, layer, score

from liteship.conversion.report import measures, parts
from liteship.conversion.report.writing import render_html, render_json, write_report
from liteship.errors import ConversionError

if TYPE_CHECKING:
    from pathlib import Path

    from liteship.conversion.report.evidence import Evidence

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&{{ 7*7 }}\udc80\x00"


class Page(HTMLParser):
    """Tags, attributes and text of a page, and whether every tag that was opened is closed."""

    VOID = frozenset({"meta", "img", "br", "line", "rect"})

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def page_of(evidence: Evidence) -> Page:
    page = Page(render_html(evidence))
    assert page.open == []
    return page


def hostile() -> Evidence:
    """Every word that can come from a user's model, file or environment."""
    evidence = full()
    labels = np.array([0, 1])
    confusion = measures.confusion(labels, labels[::-1], [HOSTILE, HOSTILE])
    sample = parts.ChangedSample(
        index=0,
        label=HOSTILE,
        source=HOSTILE,
        artifact=HOSTILE,
        difference=1.0,
        features=((HOSTILE, HOSTILE),),
    )
    assert evidence.repair is not None
    left = (parts.FloatRemainder(operator=HOSTILE, tensor=HOSTILE),)
    return dataclasses.replace(
        evidence,
        name=HOSTILE,
        version=HOSTILE,
        scheme=HOSTILE,
        source_format=HOSTILE,
        limits=(parts.SizeLimit(name=HOSTILE, limit_bytes=1, counted="raw"),),
        score=score(metric=HOSTILE),
        source_confusion=confusion,
        artifact_confusion=confusion,
        outputs=(dataclasses.replace(evidence.outputs[0], name=HOSTILE),),
        changed=parts.ChangedSamples(kind="class", samples=1, changed=1, worst=(sample,)),
        layers=(layer(1, operator=HOSTILE, tensor=HOSTILE, dtype=HOSTILE),),
        repair=dataclasses.replace(evidence.repair, left_in_float=left, cause=HOSTILE),
        coverage=(dataclasses.replace(evidence.coverage[0], input=HOSTILE),),
        refusal=parts.Refusal(
            reference=HOSTILE,
            message=HOSTILE,
            hint=HOSTILE,
            expected=HOSTILE,
            received=HOSTILE,
            problems=(HOSTILE,),
        ),
        warnings=(HOSTILE,),
        versions={HOSTILE: HOSTILE},
        digests={HOSTILE: HOSTILE},
    )


def test_both_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "model"
    write_report(folder, full())
    assert sorted(each.name for each in folder.iterdir()) == ["report.html", "report.json"]
    assert json.loads((folder / "report.json").read_text())["schema"] == 1
    assert (folder / "report.html").read_bytes() == render_html(full())
    write_report(folder, bare())
    assert (folder / "report.html").read_bytes() == render_html(bare())


def test_what_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write_report(tmp_path / "file", bare())


@pytest.mark.parametrize(
    ("evidence", "word"),
    [
        (full(repair=None), "Ships"),
        (full(), "Ships, with a repair"),
        (full(score=None), "Accuracy was not measured"),
        (bare(), "Accuracy was not measured"),
        (full(score=score(0.9, 0.5)), "Refused"),
    ],
)
def test_the_verdict_comes_first(evidence: Evidence, word: str) -> None:
    page = page_of(evidence)
    text = page.text[page.text.index(evidence.version) :]
    assert text.index(word) < text.index("Size")


def test_the_page_needs_nothing_but_itself() -> None:
    for evidence in (bare(), full(), hostile()):
        page = page_of(evidence)
        assert not page.named("script", "link", "iframe", "object", "base", "form", "a")
        for attributes in page.named("img"):
            assert (attributes["src"] or "").startswith("data:image/png;base64,")
        assert not re.search(rb"url\(|@import|https?://", render_html(evidence))
        (policy,) = (each for each in page.named("meta") if "http-equiv" in each)
        assert (policy["content"] or "").startswith("default-src 'none'; img-src data:;")


def test_hostile_names_stay_text() -> None:
    page = page_of(hostile())
    attributes = [name for _, each in page.tags for name in each]
    assert not [name for name in attributes if name.startswith("on")]
    assert not page.named("script")
    assert page.text.count("<script>alert(1)</script>") > 25
    assert "{{ 7*7 }}" in page.text
    assert "\\udc80" in page.text  # a file name that is not UTF-8


def test_hostile_names_stay_text_as_pairs_too() -> None:
    classes = [f"{HOSTILE}{number}" for number in range(40)]
    confusion = measures.confusion(np.array([1]), np.array([2]), classes)
    page = page_of(dataclasses.replace(hostile(), source_confusion=None, artifact_confusion=confusion))
    assert not page.named("script")


def test_every_table_and_chart_says_what_it_is() -> None:
    page = page_of(full())
    assert len(page.named("caption")) >= len(page.named("table")) - 1
    regions = [each for each in page.named("div") if each.get("role") == "region"]
    assert len(regions) == len(page.named("table"))
    assert all(each["aria-label"] for each in regions)
    charts = [each for _, each in page.tags if each.get("role") == "img"]
    assert len(charts) > 4
    assert all(each["aria-label"] for each in charts)
    identifiers = [each["id"] for _, each in page.tags if "id" in each]
    assert len(set(identifiers)) == len(identifiers)
    named = {each["aria-labelledby"] for _, each in page.tags if "aria-labelledby" in each}
    assert named == set(identifiers)


def test_a_thousand_classes_make_no_larger_page_than_thirty() -> None:
    rng = np.random.default_rng(1)
    labels, guesses = rng.integers(0, 1000, (2, 20_000))
    confusion = measures.confusion(labels, guesses, [f"class {number}" for number in range(1000)])
    large = render_html(full(source_confusion=confusion, artifact_confusion=confusion))
    assert len(large) < 60_000
    assert b"most confused pairs of 1,000 classes" in large


def test_what_is_missing_leaves_no_empty_section() -> None:
    text = page_of(bare()).text
    for heading in ("Layers", "Calibration coverage", "Repair", "Warnings", "Versions and digests"):
        assert heading not in text
    assert "no evaluation data" in text
    page_of(bare(artifact_sizes=None, refusal=parts.Refusal(reference="r", message="m", hint="h")))


def test_thumbnails_and_tables_of_changed_samples() -> None:
    changed = full().changed
    assert changed is not None
    (sample,) = changed.worst
    assert "weight_kg" in page_of(full()).text
    picture = dataclasses.replace(sample, thumbnail="data:image/png;base64,AAAA")
    page = page_of(full(changed=dataclasses.replace(changed, worst=(picture,))))
    assert [each["alt"] for each in page.named("img")] == ["sample 2"]
    assert "None of 4" in page_of(full(changed=dataclasses.replace(changed, worst=()))).text


def test_json_is_the_same_every_time_and_only_finite() -> None:
    evidence = full(score=score(float("nan"), float("inf")))
    assert render_json(evidence) == render_json(evidence)

    def refuse(constant: str) -> None:
        pytest.fail(constant)

    content = json.loads(render_json(evidence), parse_constant=refuse)
    assert content["score"]["source"] is None
    assert (content["score"]["drop"], content["score"]["within_budget"]) == (None, False)
    assert list(content)[:3] == ["schema", "verdict", "name"]
    assert content["verdict"]["decision"] == "refused"
    assert json.loads(render_json(hostile()))["name"].endswith("\\udc80\x00")


def test_a_refusal_says_what_its_error_says() -> None:
    error = ConversionError(
        "float-remainder", "some stayed", hint="replace", expected="e", received="r", problems=["SIN"]
    )
    refusal = parts.Refusal.from_error(error)
    assert {"error": refusal.message, **dataclasses.asdict(refusal)} == {
        **error.as_dict(),
        "message": "some stayed",
        "problems": ("SIN",),
    }
    text = page_of(bare(refusal=refusal)).text
    for word in ("Some stayed.", "SIN", "replace", "float-remainder"):
        assert word in text


def test_numpy_values_become_plain_ones() -> None:
    evidence = full(calibration_samples=np.int64(7), score=score(0.5, np.float64(0.5)))
    content = json.loads(render_json(evidence))
    assert (content["calibration_samples"], content["score"]["source"]) == (7, 0.5)
    page_of(evidence)
