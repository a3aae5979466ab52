"""What is really shipped, listed; and pip-audit against an advisory database on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from liteship.packaging.components import Component, layer_components
from liteship.packaging.layers import build_layers
from liteship.packaging.licences import NATIVE_LIBRARIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
LAYERS = sorted(path.parent.name for path in (ROOT / "layers").glob("*/layer.toml"))


@pytest.fixture(scope="module")
def built() -> dict[str, Path]:
    """Every layer, for Lambda."""
    return build_layers(ROOT, LAYERS, python="3.13", architecture="x86_64")


@pytest.fixture(scope="module")
def components(built: dict[str, Path]) -> dict[str, list[Component]]:
    return {layer: layer_components(layer, folder) for layer, folder in built.items()}


class AdvisoryDatabase(BaseHTTPRequestHandler):
    """Knows one advisory, in OSV's protocol (https://google.github.io/osv.dev/post-v1-query/)."""

    vulnerable: str | None = None
    asked: set[str]

    def do_POST(self) -> None:  # the server's own spelling
        query = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name = query["package"]["name"]
        self.asked.add(name)
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}]
        advisory = {
            "id": "PYSEC-2026-1",
            "summary": "It may be talked into mischief.",
            "published": "2026-01-01T00:00:00Z",
            "affected": [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges}],
        }
        answer = json.dumps({"vulns": [advisory]} if name == self.vulnerable else {}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def database() -> Iterator[Callable[..., dict[str, str]]]:
    """Starts a database; gives the environment that leads pip-audit to it, and what it was asked."""
    servers: list[ThreadingHTTPServer] = []

    def start(vulnerable: str | None, asked: set[str]) -> dict[str, str]:
        kind = type("Handler", (AdvisoryDatabase,), {"vulnerable": vulnerable, "asked": asked})
        server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return {
            "PIP_AUDIT_VULNERABILITY_SERVICE": "osv",
            "PIP_AUDIT_OSV_URL": f"http://127.0.0.1:{server.server_port}/v1/query",
            "no_proxy": "127.0.0.1",
        }

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def run() -> Run:
    def run(*arguments: object, root: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "liteship", "sbom", *map(str, arguments)]
        return subprocess.run(
            command, cwd=root, env=os.environ | environ, capture_output=True, text=True, check=False
        )

    return run


def everything(components: dict[str, list[Component]]) -> Iterator[Component]:
    for each in (each for layer in components.values() for each in layer):
        yield each
        yield from each.parts


def test_nothing_in_a_layer_has_an_unknown_licence(components: dict[str, list[Component]]) -> None:
    assert components.keys() >= {"litert", "image", "web", "aws", "numpy"}
    assert all(components.values())
    assert [each.name for each in everything(components) if each.licence is None] == []


def test_the_table_of_native_libraries_holds_what_is_shipped(built: dict[str, Path]) -> None:
    shipped = {path.name for folder in built.values() for path in folder.rglob("*.so*")}
    for name in NATIVE_LIBRARIES:
        assert [each for each in shipped if each.startswith((f"{name}.", f"{name}-"))], name


def test_what_is_said_to_be_linked_in_names_itself(built: dict[str, Path]) -> None:
    traces = {
        "Abseil": b"com_google_absl",
        "Eigen": b"EigenForTFLite",
        "gemmlowp": b"gemmlowp",
        "ruy": b"external/ruy",
        "XNNPACK": b"XNNPACK",
        "aws-lambda-cpp": b"aws-lambda-cpp-0.2.6",
        "curl": b"libcurl 7.83.1",
    }
    files = {"libLiteRt": "litert", "runtime_client": "web"}
    for name, layer in files.items():
        (path,) = built[layer].rglob(f"{name}.*so")
        content = path.read_bytes()
        for part, version, _ in NATIVE_LIBRARIES[name].inside:
            assert traces[part] in content
            assert version is None or version.encode() in traces[part]


@pytest.mark.parametrize(
    ("function", "form"), [("digits", "zip"), ("digits", "image"), ("wine", "zip")]
)
def test_a_function_s_document_is_valid_and_lists_its_packages(
    run: Run, function: str, form: str
) -> None:
    done = run(function, "--as", form, "--json")
    assert done.returncode == 0, done.stderr
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(done.stdout) is None
    document = json.loads(done.stdout)
    shipped = {"litert", "web"} | ({"image"} if function == "digits" else set())
    shipped |= {"image", "aws"} if form == "image" else set()
    locked = {
        line.partition("==")[0]
        for layer in shipped
        for line in (ROOT / "layers" / layer / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    purls = {entry["purl"] for entry in document["components"] if "purl" in entry}
    listed = {purl.removeprefix("pkg:pypi/").partition("@")[0] for purl in purls}
    left_out = {"click", "h11"}  # layers/web/layer.toml removes all of them
    assert listed == locked - left_out | {"liteship"}
    references = [
        each["bom-ref"]
        for entry in document["components"]
        for each in (entry, *entry.get("components", ()))
    ]
    assert len(set(references)) == len(references)


def test_packaging_writes_the_document(run: Run) -> None:
    command = [sys.executable, "-m", "liteship", "package", "wine", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    path = Path(json.loads(done.stdout)["sbom"])
    assert path.parent == ROOT / "build" / "wine" / "3.13-x86_64"
    assert json.loads(path.read_text()) == json.loads(run("wine", "--json").stdout)


def test_the_table_says_what_is_unknown(run: Run) -> None:
    done = run("digits", "--as", "image", COLUMNS="200")
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines()]
    table = {row[0]: row[1:4] for row in rows if row}
    assert table["pillow"][1:] == ["MIT-CMU", "image"]
    assert table["digits"] == ["1", "unknown", "model"]
    assert table["public.ecr.aws/lambda/python"] == ["3.13", "unknown", "base"]


def test_licences_are_listed_with_the_parts(run: Run) -> None:
    done = run("wine", "--licences", COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "XNNPACK" in done.stdout
    assert "MPL-2.0" in done.stdout


def test_an_audit_without_findings(run: Run, database: Callable[..., dict[str, str]]) -> None:
    asked: set[str] = set()
    done = run("wine", "--audit", "--json", **database(None, asked))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {
        "layers": ["litert", "web"],
        "audited": len(asked),
        "vulnerabilities": [],
    }
    assert {"ai-edge-litert", "fastapi"} <= asked
    assert "pillow" not in asked


def test_an_audit_with_a_finding(run: Run, database: Callable[..., dict[str, str]]) -> None:
    environ = database("pillow", set())
    for_people = run("digits", "--as", "zip", "--audit", COLUMNS="200", **environ)
    assert for_people.returncode == 9
    assert "PYSEC-2026-1" in for_people.stdout
    assert "vulnerabilities-found" in for_people.stderr
    for_programs = run("digits", "--as", "zip", "--audit", "--json", **environ)
    assert for_programs.returncode == 9
    (problem,) = json.loads(for_programs.stdout)["problems"]
    assert problem.startswith("pillow ")
    assert "PYSEC-2026-1, fixed in 99.1; It may be talked into mischief." in problem


def test_an_unreachable_database_is_no_clean_audit(run: Run, closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}/v1/query"
    environ = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": url}
    done = run("wine", "--audit", no_proxy="127.0.0.1", **environ)
    assert done.returncode == 9
    assert "audit-failed" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_missing_pip_audit_says_how_to_get_it(run: Run, tmp_path: Path) -> None:
    """A project without .tools, and a PATH without pip-audit."""
    ignored = shutil.ignore_patterns("trained", "__pycache__")
    shutil.copytree(ROOT / "functions" / "wine", tmp_path / "functions" / "wine", ignore=ignored)
    (tmp_path / "layers").symlink_to(ROOT / "layers")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "layers").symlink_to(ROOT / "build" / "layers")
    done = run("wine", "--audit", root=tmp_path, PATH=str(tmp_path))
    assert done.returncode == 9
    assert "audit-missing" in done.stderr
    assert "make .tools/audit" in done.stderr
