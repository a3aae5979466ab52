"""Reports about real models, read by a real browser."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.browser import FLAGS
from tests.integration.report_cases import gather

from liteship.conversion.report import parts
from liteship.conversion.report.writing import write_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from liteship.conversion.report.evidence import Evidence

    Shot = Callable[..., NDArray[np.uint8]]

DATA = Path(__file__).parents[1] / "data"
DARK = "--blink-settings=preferredColorScheme=0"

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors:UserWarning")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with trained models and their data."""
    folder = tmp_path_factory.mktemp("report-sources")
    script = str(DATA / "make_report_sources.py")
    subprocess.run([sys.executable, script, str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def digits(sources: Path) -> Evidence:
    return gather(sources, "digits", max_drop=0.02)


@pytest.fixture(scope="module")
def wine(sources: Path) -> Evidence:
    """Raw measurements in int8: the trap that the budget is there for."""
    return gather(sources, "wine")


@pytest.fixture
def browse(chromium: str, tmp_path: Path) -> Callable[..., bytes]:
    """Writes a report and lets Chromium open it; gives what Chromium printed."""

    def run(evidence: Evidence, *flags: str) -> bytes:
        write_report(tmp_path / "report", evidence)
        page = (tmp_path / "report" / "report.html").as_uri()
        profile = tmp_path / "profile"
        shutil.rmtree(profile, ignore_errors=True)
        done = subprocess.run(
            [chromium, *FLAGS, f"--user-data-dir={profile}", *flags, page],
            capture_output=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    return run


@pytest.fixture
def screenshot(browse: Callable[..., bytes], tmp_path: Path) -> Shot:
    """What a report looks like: uint8 array of shape (height, width, 3)."""

    def take(evidence: Evidence, *flags: str, width: int = 1100, height: int = 1200) -> Any:
        file = tmp_path / "page.png"
        browse(evidence, *flags, f"--window-size={width},{height}", f"--screenshot={file}")
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))

    return take


def test_pictures_ship_in_light_and_in_dark(digits: Evidence, screenshot: Shot) -> None:
    assert digits.verdict.decision == "ships"
    light, dark = screenshot(digits), screenshot(digits, DARK)
    assert light.shape == dark.shape == (1200, 1100, 3)
    assert light.mean() > 200
    assert dark.mean() < 60
    for page in (light, dark):
        assert greenest(page[:140]) > 10_000  # the verdict
        assert len(np.unique(page.reshape(-1, 3), axis=0)) > 50


def test_a_refusal_is_red_and_its_tables_fit_a_phone(wine: Evidence, screenshot: Shot) -> None:
    assert wine.verdict.decision == "refused"
    refusal = parts.Refusal(
        reference="accuracy-budget",
        message="the converted model lost more accuracy than its budget; the artifact was not replaced",
        hint="normalise outside the model",
    )
    page = screenshot(dataclasses.replace(wine, refusal=refusal), width=390, height=2400)
    assert page.shape[1] == 390
    assert greenest(page[..., [1, 0, 2]]) > 10_000
    # Nothing reaches into the page's margin: wide tables scroll in their own place
    assert (page[:, -4:] == page[0, -1]).all()


def test_without_evaluation_it_is_neither(digits: Evidence, screenshot: Shot) -> None:
    changes: dict[str, Any] = {"score": None, "source_confusion": None, "artifact_confusion": None}
    page = screenshot(dataclasses.replace(digits, changed=None, **changes))[:140]
    assert greenest(page) == greenest(page[..., [1, 0, 2]]) == 0
    assert greenest(page[..., [0, 2, 1]]) > 10_000  # blue


def test_a_regression_has_samples_that_moved_and_no_classes(
    sources: Path, browse: Callable[..., bytes]
) -> None:
    evidence = gather(sources, "diabetes", max_drop=0.05)
    document = browse(evidence, "--dump-dom").decode()
    assert "Samples that moved most" in document
    assert "Mean absolute error" in document
    assert 'class="matrix' not in document
    assert evidence.outputs[0].top1_agreement is None


@pytest.mark.parametrize("scheme", ["dynamic", "float32"])
def test_inputs_in_float_cannot_saturate(sources: Path, scheme: str) -> None:
    evidence = gather(sources, "wine", scheme)
    assert evidence.verdict.decision == "ships"
    assert {each.steps for each in evidence.coverage} == {None}
    assert (evidence.layers[0].operator, evidence.layers[0].in_float) == ("SUB", True)


def test_the_evidence_shows_where_the_trap_is(wine: Evidence) -> None:
    """One scale for columns from 0.13 to 1,680: most columns have a step or two."""
    few = [each.channel for each in wine.coverage if (each.steps or 0) < 2]
    assert len(few) >= 7
    errors = {each.operator: each.relative_error or 0 for each in wine.layers}
    assert errors["SUB"] < 0.1
    assert errors["MUL"] > 1


def test_batch_normalisation_and_depthwise_layers_have_small_errors(digits: Evidence) -> None:
    operators = [each.operator for each in digits.layers]
    assert operators.count("DEPTHWISE_CONV_2D") == 2
    assert operators.count("ADD") == 2
    assert operators[-1] == "SOFTMAX"
    for each in digits.layers:
        assert 0 < (each.relative_error or 0) < 0.1
        assert (each.dtype, each.in_float) == ("int8", False)


def test_hostile_names_run_nothing_and_fetch_nothing(
    digits: Evidence, browse: Callable[..., bytes]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        asked = threading.Event()
        thread = threading.Thread(target=listen, args=(server, asked), daemon=True)
        thread.start()
        hostile = (
            f"</title></style><script src={address}></script><img src={address}>"
            f"<link rel=stylesheet href={address}><script>document.body.innerHTML='ran'</script>"
        )
        confusion = parts.Confusion(classes=(hostile,) * 2, cells=((0, 1, 3), (1, 1, 2)))
        changes: dict[str, Any] = {"source_confusion": confusion, "artifact_confusion": confusion}
        evidence = dataclasses.replace(digits, name=hostile, warnings=(hostile,), **changes)
        document = browse(evidence, "--dump-dom").decode()
        assert not asked.is_set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert "<script" not in document
    assert document.count("&lt;script&gt;document.body") >= 4


def test_a_program_reads_the_same(digits: Evidence, tmp_path: Path) -> None:
    write_report(tmp_path, digits)
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["verdict"]["decision"] == "ships"
    assert content["artifact_sizes"]["raw_bytes"] < content["float_sizes"]["raw_bytes"]
    assert len(content["layers"]) == len(digits.layers)


def greenest(page: NDArray[np.uint8]) -> int:
    """Pixels whose second color is clearly the strongest."""
    red, green, blue = (page[..., place].astype(int) for place in range(3))
    return int(((green > red + 8) & (green > blue + 8)).sum())


def listen(server: socket.socket, asked: threading.Event) -> None:
    try:
        connection, _ = server.accept()
    except OSError:
        return  # the test is over
    asked.set()
    connection.close()
