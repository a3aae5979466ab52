"""The tabular example: raw measurements as JSON and CSV, through everything that answers.

Its training and conversion: tests/converters/test_wine_torch.py.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from liteship import Artifact, Predictor
from liteship.deploy.local.emulator import LambdaEmulator, free_port, package_for_here
from liteship.deploy.local.events import http_event
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
WINE = ROOT / "functions" / "wine"

# scikit-learn's classes, by the number of their wines
# (https://rdrr.io/cran/whitening/man/forina1986.html)
WINES = {"Barolo": 59, "Grignolino": 71, "Barbera": 48}


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return Artifact.load(WINE / "model")


@pytest.fixture(scope="module")
def measurements() -> list[float]:
    """The first Barolo of the data set, as a caller would send it."""
    row: list[float] = load_wine().data[0].tolist()
    return row


@pytest.fixture(scope="module")
def request_file(tmp_path_factory: pytest.TempPathFactory, measurements: list[float]) -> Path:
    path = tmp_path_factory.mktemp("request") / "wine.json"
    path.write_text(json.dumps({"inputs": {"measurements": measurements}}))
    return path


@pytest.fixture(scope="module")
def emulator() -> Iterator[LambdaEmulator]:
    function = load_function("wine", ROOT)
    with LambdaEmulator(function, package_for_here(function)) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """`liteship serve wine`; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "liteship", "serve", "wine", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            while '"serving"' not in (line := process.stdout.readline()):
                assert line, "the server ended"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def csv_forms(measurements: list[float]) -> list[bytes]:
    """The analysis as spreadsheets, pandas and people write it."""
    names = load_wine().feature_names
    row = ",".join(map(str, measurements))
    quoted = ",".join(f'"{value}"' for value in measurements)
    return [
        row.encode(),
        f"{','.join(names)}\n{row}\n".encode(),
        f"\ufeff{','.join(names)}\r\n{quoted}\r\n".encode(),
    ]


def liteship(project: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "liteship", *map(str, arguments)]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_the_labels_are_in_the_order_of_the_classes(artifact: Artifact) -> None:
    classes = load_wine().target.tolist()
    labels = artifact.manifest.postprocessing.labels
    assert labels == load_function("wine", ROOT).config.output.labels
    assert {label: classes.count(index) for index, label in enumerate(labels)} == WINES


def test_the_accuracy_in_the_manifest_is_that_of_the_held_out_wines(artifact: Artifact) -> None:
    source = (WINE / "train.py").read_text()
    part, seed = (
        re.search(rf"{name} ?= ?([\d.]+)", source)[1]  # type: ignore[index]
        for name in ("test_size", "SEED")
    )
    wine = load_wine()
    _, rows, _, classes = train_test_split(
        wine.data, wine.target, test_size=float(part), stratify=wine.target, random_state=int(seed)
    )
    predictor = Predictor.load(WINE / "model")
    labels = artifact.manifest.postprocessing.labels
    right = 0
    for row, expected in zip(rows.tolist(), classes.tolist(), strict=True):
        answer = predictor.predict(json.dumps({"inputs": row}).encode(), "application/json")
        best: Any = answer.fields["predictions"]
        right += best[0]["label"] == labels[expected]
    stated: Any = artifact.manifest.provenance["accuracy"]
    assert len(rows) == stated["samples"]
    assert right / len(rows) == pytest.approx(stated["artifact"], abs=1e-6)
    assert stated["source"] - stated["artifact"] <= stated["max_drop"]


def test_predict_answers_a_file(request_file: Path, measurements: list[float]) -> None:
    done = liteship(ROOT, "predict", "wine", request_file, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["predictions"][0]["label"] == "Barolo"
    assert {each["label"] for each in answer["predictions"]} == WINES.keys()
    assert sum(each["score"] for each in answer["predictions"]) == pytest.approx(1, abs=0.01)
    request_file.with_suffix(".csv").write_bytes(csv_forms(measurements)[1])
    from_csv = liteship(ROOT, "predict", "wine", request_file.with_suffix(".csv"), "--json")
    assert json.loads(from_csv.stdout) == answer
    table = liteship(ROOT, "predict", "wine", request_file)
    assert all(wine in table.stdout for wine in WINES)


def test_every_form_of_a_request_gives_one_answer_over_http_and_lambda(
    server: str, emulator: LambdaEmulator, measurements: list[float]
) -> None:
    jsons = [
        {"inputs": {"measurements": measurements}},
        {"inputs": {"measurements": [measurements]}},
        {"inputs": measurements},
    ]
    requests = [(json.dumps(each).encode(), "application/json") for each in jsons]
    requests += [(each, "text/csv") for each in csv_forms(measurements)]
    requests.append((struct.pack("<13f", *measurements), "application/octet-stream"))
    answers = []
    for body, content_type in requests:
        response = httpx.post(f"{server}/predict", content=body, headers={"content-type": content_type})
        invoked = emulator.invoke(http_event("POST", "/predict", body, content_type))
        assert (response.status_code, invoked["statusCode"]) == (200, 200)
        answers += [response.json(), json.loads(invoked["body"])]
    assert answers[0]["predictions"][0]["label"] == "Barolo"
    assert all(answer == answers[0] for answer in answers)


def test_every_row_of_a_table_is_answered(server: str, emulator: LambdaEmulator) -> None:
    """The first of each class, in order."""
    data, classes = load_wine(return_X_y=True)
    rows = [data[classes == each][0].tolist() for each in range(3)]
    table = "\n".join(",".join(map(str, row)) for row in rows).encode()
    headers = {"content-type": "text/csv"}
    from_csv = httpx.post(f"{server}/predict?top=1", content=table, headers=headers).json()
    from_json = httpx.post(f"{server}/predict?top=1", json={"inputs": rows}).json()
    best = [result["predictions"] for result in from_csv["results"]]
    assert [[each["label"] for each in labels] for labels in best] == [[name] for name in WINES]
    assert from_json == from_csv
    event = http_event("POST", "/predict", table, "text/csv")
    results = json.loads(emulator.invoke(event)["body"])["results"]
    assert [result["predictions"][0] for result in results] == [labels[0] for labels in best]


@pytest.mark.parametrize(
    ("row", "reference"),
    [
        ("1,2,3", "csv-columns"),
        (",".join(["1"] * 14), "csv-columns"),
        (",".join(["1"] * 12) + ",", "csv-values"),
        (",".join(["1"] * 12) + ",nan", "csv-values"),
        (";".join(["1,5"] * 13), "csv-separator"),
        (",".join("abcdefghijklm"), "csv-rows"),
        (",".join(["1"] * 13) + "\n" + ",".join(["1"] * 12) + ",", "csv-values"),
        (",".join(["1"] * 12) + ',"1', "csv-invalid"),
    ],
)
def test_a_table_that_is_no_analysis_is_refused_alike(
    server: str, emulator: LambdaEmulator, row: str, reference: str
) -> None:
    headers = {"content-type": "text/csv"}
    response = httpx.post(f"{server}/predict", content=row.encode(), headers=headers)
    invoked = emulator.invoke(http_event("POST", "/predict", row.encode(), "text/csv"))
    assert (response.status_code, invoked["statusCode"]) == (400, 400)
    refusals = [response.json(), json.loads(invoked["body"])]
    assert [refusal.pop("request_id") is not None for refusal in refusals] == [True, True]
    assert refusals[0]["reference"] == reference
    assert refusals[0] == refusals[1]


def test_a_table_that_is_too_long_is_refused(server: str) -> None:
    headers = {"content-type": "text/csv"}
    response = httpx.post(f"{server}/predict", content=b"1," * 100_000, headers=headers)
    assert (response.status_code, response.json()["reference"]) == (413, "csv-too-long")


@pytest.mark.parametrize(
    ("inputs", "reference"),
    [([1.0] * 12, "tensor-shape"), ([*[1.0] * 12, "much"], "tensor-value"), ({"a": 1}, "tensor-names")],
)
def test_what_is_no_analysis_is_refused(server: str, inputs: object, reference: str) -> None:
    response = httpx.post(f"{server}/predict", json={"inputs": inputs})
    assert response.status_code == 400
    assert response.json()["reference"] == reference
