"""The command line, as a user runs it: a process of its own, read by its output and exit code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from liteship.deploy.local.emulator import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "tests" / "data" / "events"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the repository's project that a test may damage; built layers are shared."""
    (tmp_path / "functions").mkdir()
    ignored = shutil.ignore_patterns("trained", "__pycache__")
    shutil.copytree(ROOT / "functions" / "digits", tmp_path / "functions" / "digits", ignore=ignored)
    (tmp_path / "layers").symlink_to(ROOT / "layers")
    layers = ROOT / "build" / "layers"
    layers.mkdir(parents=True, exist_ok=True)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "layers").symlink_to(layers)
    (tmp_path / ".tools").symlink_to(ROOT / ".tools")
    return tmp_path


@pytest.fixture
def run(project: Path) -> Run:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "liteship", *map(str, arguments)]
        return subprocess.run(
            command, cwd=project, capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.fixture
def picture(tmp_path: Path, digit_png: bytes) -> Path:
    path = tmp_path / "seven.png"
    path.write_bytes(digit_png)
    return path


def answer(result: subprocess.CompletedProcess[str]) -> Any:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_predict_prints_predictions_model_and_version(run: Run, picture: Path) -> None:
    content = answer(run("predict", "digits", picture, "--json"))
    assert content.keys() == {"predictions", "model", "version"}
    assert content["predictions"][0]["label"] == "7"
    assert content["predictions"][0].keys() == {"label", "score"}
    table = run("predict", "digits", picture)
    assert table.returncode == 0
    assert "7" in table.stdout
    assert "model ready" not in table.stdout + table.stderr


def test_hooks_in_a_module_of_its_own_are_used_and_shipped(
    run: Run, project: Path, picture: Path
) -> None:
    folder = project / "functions" / "digits"
    (folder / "hooks.py").write_text(
        "def postprocess(outputs):\n    return {'likeliest': max(*outputs.values())}\n"
    )
    (folder / "app.py").write_text(
        "from hooks import postprocess\nfrom liteship import Function\n"
        "handler = Function(__file__, postprocess=postprocess)\n"
    )
    predicted = answer(run("predict", "digits", picture, "--json"))
    assert predicted.keys() == {"likeliest", "model", "version"}
    invoked = answer(run("invoke", "digits", "--image", picture))
    assert json.loads(invoked["body"]) == predicted
    (folder / "hooks.py").unlink()
    without = run("invoke", "digits", "--image", picture, "--json")
    assert without.returncode == 11
    assert "No module named 'hooks'" in json.loads(without.stdout)["error"]


def test_inspect_by_folder_and_by_name_is_the_same(run: Run) -> None:
    by_folder = answer(run("inspect", "functions/digits/model", "--json"))
    by_name = answer(run("inspect", "digits", "--json"))
    assert by_folder["sha256"] == by_name["sha256"]
    assert by_folder["scheme"] == "int8"
    assert 0 < by_folder["zipped_bytes"] < by_folder["size_bytes"]
    assert "image int8" in run("inspect", "digits").stdout


def test_check_lists_every_limit_with_value_limit_and_verdict(run: Run) -> None:
    content = answer(run("check", "digits", "--json"))
    assert content["ok"] is True
    for limit in content["limits"]:
        assert {"name", "value", "limit", "unit", "ok", "verdict"} <= limit.keys()
    assert {"image", "timeout", "environment", "peak-memory", "latency"} <= {
        limit["name"] for limit in content["limits"]
    }


def test_check_refuses_what_is_over_a_limit(run: Run, project: Path) -> None:
    path = project / "functions" / "digits" / "function.toml"
    path.write_text(path.read_text().replace("timeout_s = 10", "timeout_s = 60"))
    result = run("check", "digits", "--no-measure")
    assert result.returncode == 10
    assert "http-timeout" in result.stderr
    assert "Traceback" not in result.stderr


def test_package_stays_within_the_promised_size(run: Run) -> None:
    content = answer(run("package", "digits", "--as=zip", "--json"))
    sizes = {part["name"]: part["zipped_bytes"] for part in content["parts"]}
    assert sizes["function"] <= 10_000_000
    assert sizes["web"] <= 10_000_000


def test_invoke_starts_the_emulator_and_answers(run: Run, picture: Path) -> None:
    content = answer(run("invoke", "digits", "--image", picture))
    assert content["statusCode"] == 200
    assert json.loads(content["body"])["predictions"][0]["label"] == "7"


def test_invoke_reports_what_the_function_raised(run: Run, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"what": "is this"}')
    result = run("invoke", "digits", "--event", event, "--json")
    assert result.returncode == 11
    assert json.loads(result.stdout)["reference"] == "invocation-failed"
    assert "has no form that this function answers" in result.stdout


def test_emulate_waits_for_events_from_elsewhere(run: Run, project: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "liteship", "emulate", "digits", "--port", str(port), "--json"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) as emulator:
        try:
            assert emulator.stdout is not None
            lines = [emulator.stdout.readline() for _ in range(4)]
            url = json.loads("".join(lines))["url"]
            content = answer(run("invoke", "digits", "--event", EVENTS / "http_v2.json", "--url", url))
        finally:
            emulator.terminate()
    assert content["statusCode"] == 200
    assert emulator.returncode == 130
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_serve_answers_over_http(project: Path, digit_png: bytes) -> None:
    port = free_port()
    command = [sys.executable, "-m", "liteship", "serve", "digits", "--port", str(port)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=project, **pipes) as server:
        try:
            assert server.stdout is not None
            assert server.stderr is not None
            lines = iter(server.stderr.readline, "")
            assert any(f"http://127.0.0.1:{port}/" in line for line in lines)
            while '"serving"' not in (line := server.stdout.readline()):
                assert line, "the server ended"
            transport = httpx.HTTPTransport(retries=20)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport) as client:
                ready = client.get("/health/ready")
                response = client.post(
                    "/predict", content=digit_png, headers={"content-type": "image/png"}
                )
        finally:
            server.terminate()
    assert ready.json()["ready"] is True
    assert response.json()["predictions"][0]["label"] == "7"


@pytest.mark.parametrize(
    ("arguments", "code", "reference"),
    [
        (("predict", "nope", "x.png"), 3, "function-missing"),
        (("predict", "digits", "gone.png"), 12, "file-unreadable"),
        (("inspect", "nope"), 3, "function-missing"),
        (("convert", "digits", "--source", "gone.keras"), 4, "source-missing"),
        (("invoke", "digits"), 3, "event-choice"),
        (("invoke", "digits", "--event", "gone.json"), 12, "file-unreadable"),
        (
            ("invoke", "digits", "--event", EVENTS / "http_v2.json", "--url", "127.0.0.1:9"),
            11,
            "emulator-unreachable",
        ),
    ],
)
def test_mistakes_are_answered_with_reference_and_exit_code(
    run: Run, arguments: tuple[object, ...], code: int, reference: str
) -> None:
    for_people = run(*arguments)
    for_programs = run(*arguments, "--json")
    assert for_people.returncode == for_programs.returncode == code
    assert reference in for_people.stderr
    assert "next step" in for_people.stderr
    assert "Traceback" not in for_people.stderr
    content = json.loads(for_programs.stdout)
    assert content["reference"] == reference
    assert content["hint"]


def test_usage_errors_exit_with_two(run: Run) -> None:
    for arguments in (("zork",), ("predict",), ("serve", "digits", "--port", "many")):
        result = run(*arguments)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


def test_every_problem_of_function_toml_is_reported_at_once(
    run: Run, project: Path, picture: Path
) -> None:
    path = project / "functions" / "digits" / "function.toml"
    text = path.read_text().replace("memory_mib = 512", 'memory_mib = "much"\nspeed = 9')
    path.write_text(text.replace('color = "L"', 'color = "pink"'))
    result = run("predict", "digits", picture, "--json")
    assert result.returncode == 3
    problems = "\n".join(json.loads(result.stdout)["problems"])
    for key in ("runtime.memory_mib", "runtime.speed", "input.color"):
        assert key in problems


def test_a_damaged_model_is_refused_with_both_digests(run: Run, project: Path, picture: Path) -> None:
    model = project / "functions" / "digits" / "model" / "model.tflite"
    content = bytearray(model.read_bytes())
    content[5000] ^= 1
    model.write_bytes(content)
    inspected = run("inspect", "digits", "--json")
    assert inspected.returncode == 8
    fields = json.loads(inspected.stdout)
    assert fields["reference"] == "artifact-digest"
    assert fields["expected"].split()[1] != fields["received"].split()[1]
    predicted = run("predict", "digits", picture, "--json")
    assert predicted.returncode == 13
    assert json.loads(predicted.stdout)["reference"] == "artifact-digest"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_full_disk_is_an_error_and_no_traceback(project: Path, form: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "liteship", "kn", "digits", *form],
            cwd=project,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 3
    assert ended.stderr.startswith("error [output-refused]")
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
