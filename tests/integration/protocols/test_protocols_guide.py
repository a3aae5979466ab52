"""Every block of the guides of protocols is run as a reader runs it, or it is said here why not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.clients import PYTHON
from tests.conftest import DIGITS, ROOT, copy_repository, copy_version, free_port
from tests.integration.test_pipelines import line_of

from liteship.project import read_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from tests.conftest import Server

GUIDES = ROOT / "docs" / "guides"

SECTIONS = {
    "protocols": ("# Protocols\n", None),
    "requests": ("# Requests\n", "\n## S3 uploads\n"),
    "models": ("\n## Several models and versions in one function\n", "\n## From S3\n"),
    "pipelines": ("# Pipelines\n", None),
}
"""What is read of each guide: from where, and up to where."""

ROW = "13.9,1.68,2.12,16,101,3.1,3.39,0.21,2.14,6.1,0.91,3.33,985\n"

SCORES = r"(\d\.\d+(e-\d+)?, ){%d}\d\.\d+(e-\d+)?"

IDENTITY = r'"model": "%s", "version": "%s"\}\n'

PREDICTIONS = r'\{"predictions": \[\{"label": "%s", "score": 0\.\d+\}.*\], ' + IDENTITY

SEVEN, WINE = PREDICTIONS % ("7", "digits", "2"), PREDICTIONS % ("Barolo", "wine", "1")

STATE = r'\{"version": "%s", "state": "AVAILABLE", "status": \{"error_code": "OK", [^}]*\}\}'

ROUTE = "from liteship import Function\n\ndef extend"

COMMANDS = {
    "protocols": {
        "curl --data-binary @seven.png": SEVEN,
        "curl http://localhost:8080/v2/models/digits/infer": r'\{.*"data": \["0\.\d+:7:7", .*\]\}\n',
        "curl http://localhost:8080/v2/models/digits\n": (
            r'\{"name": "digits", "versions": \["1", "2"\], .*\}\n\{"name": "digits", "ready": true\}\n'
        ),
        "import numpy as np\nimport tritonclient.http": r"\(2, 10\)\n",
        "import asyncio\n": r"7\n",
        """curl -d '{"instances": """: (
            rf'\{{"predictions": \[\[{SCORES % 2}\]\]\}}\n\{{"predictions": \[\[{SCORES % 9}\]\]\}}\n'
            rf'\{{"model_version_status": \[{STATE % 1}, {STATE % 2}\]\}}\n'
        ),
        "import base64\n": r"7\n",
        "from pathlib import Path\n\nimport numpy as np\nimport tritonclient.grpc": r"7\n",
        "curl http://localhost:8080/openapi.json": r'\{.*"openapi": ?"3\.1\.0".*"/predict".*\}\n?',
    },
    "requests": {
        "curl --data-binary @seven.png": (
            SEVEN
            + r'\{"predictions": \[\{"label": "7", "score": 0\.\d+\}\], '
            + IDENTITY % ("digits", "2")
            + SEVEN
            + WINE
            + WINE
            + PREDICTIONS % (r"\w+", "digits", "2")
        ),
        "curl -F first=@seven.png": (
            r'\{"results": \[\{"predictions": \[\{"label": "7", .*\}\]\}, '
            r'\{"predictions": \[\{"label": "7", .*\}\]\}\], "model": "digits", "version": "2"\}\n'
        ),
        "curl http://localhost:8080/health/ready": (
            r'\{"ready": true, "model": "digits", "version": "2", .*\}\n'
            r'\{"schema": 1, "name": "digits", .*\}\n'
        ),
    },
    "models": {
        "curl --data-binary @seven.png": (
            PREDICTIONS % ("7", "shop", "2")
            + WINE
            + PREDICTIONS % ("7", "shop", "1")
            + PREDICTIONS % ("7", "shop", "2")
        ),
        "curl -X POST localhost:8080/v2/repository/index": (
            r'\[(\{"name": "shop", "version": "[12]", "state": "READY", [^}]*\}, ){2}'
            r'\{"name": "wine", "version": "1", "state": "READY", [^}]*\}\]\n\{\}\n\{\}\n'
        ),
    },
    "pipelines": {
        "curl --data-binary @line.png": (
            r'\{"results": \[\{.*"label": "3", .*\}, \{.*"label": "1", .*\}, \{.*"label": "4", .*\}\], '
            + IDENTITY % ("line", "2")
        ),
    },
}
"""By guide and by how the block begins: what it prints."""

NOT_RUN = {
    "protocols": {
        'pip install "liteship[grpc]"': "it waits for requests; the fixture starts the same server",
        "liteship serve digits": "it waits until Ctrl-C; tests/integration/test_cli.py starts it",
        ROUTE: "an app.py: a test of its own serves it",
    },
    "requests": {
        "alcohol,malic_acid,": "the head of a file",
        '{"outputs": ': "no model in functions/ is without labels; tests/integration/test_shapes.py",
    },
    "models": {
        "functions/shop/model/shop/2": "not a command: the fixture makes these folders, and looks",
        "cp -r functions/wine/model": "run by the fixture, before the server starts",
    },
    "pipelines": {'"""Reads a line of handwritten digits': "an app.py: what the fixture serves"},
}
"""By guide and by how the block begins: why it is not run here. Settings and answers are read."""

_BLOCK = re.compile(r"^```\w*\n((?:.*\n)*?)```$|(?<=\n\n)((?:    .*\n(?:\n(?=    ))*)+)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    guide: str
    text: str

    def found_in(self, table: dict[str, dict[str, str]]) -> list[str]:
        return [
            says for start, says in table.get(self.guide, {}).items() if self.text.startswith(start)
        ]

    @property
    def is_settings(self) -> bool:
        return self.text.startswith("[")

    @property
    def is_answer(self) -> bool:
        return self.text.startswith("{") and not self.found_in(NOT_RUN)


def read_blocks() -> Iterator[Block]:
    for guide, (start, end) in SECTIONS.items():
        text = (GUIDES / f"{guide}.md").read_text().partition(start)[2]
        if end is not None:
            assert end in text
            text = text.partition(end)[0]
        for fenced, indented in _BLOCK.findall(text):
            yield Block(guide, fenced or re.sub(r"^    ", "", indented, flags=re.MULTILINE))


BLOCKS = [*read_blocks()]


def named(blocks: list[Block]) -> pytest.MarkDecorator:
    """Parametrizes a test with blocks, each named by its guide and its first line."""
    names = [f"{block.guide}: {block.text.splitlines()[0]:.50}" for block in blocks]
    return pytest.mark.parametrize("block", blocks, ids=names)


def block_that(guide: str, start: str) -> str:
    (text,) = (each.text for each in BLOCKS if each.guide == guide and each.text.startswith(start))
    return text


def test_every_block_is_run_or_says_why_not() -> None:
    for block in BLOCKS:
        ways = [*block.found_in(COMMANDS), *block.found_in(NOT_RUN)]
        assert len(ways) + block.is_settings + block.is_answer == 1, block.text
    for table in (COMMANDS, NOT_RUN):
        for guide, starts in table.items():
            for start in starts:
                assert block_that(guide, start)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Server]) -> Served:
    """Two versions of digits, wine, and the guide's pipeline; over HTTP and gRPC."""
    folder = copy_repository(tmp_path_factory.mktemp("guide") / "digits")
    settings = folder / "function.toml"
    settings.write_text(f"{settings.read_text()}\n{block_that('pipelines', '[pipelines.line]')}")
    (folder / "app.py").write_text(block_that("pipelines", '"""'))
    grpc_port = free_port()
    environ = read_config(settings).environment()
    server = start_server(folder, **environ, LITESHIP_GRPC_PORT=str(grpc_port))
    return Served(server.url.removeprefix("http://"), f"127.0.0.1:{grpc_port}")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Server]) -> Served:
    """The function that models.md makes, which lets callers load and unload."""
    project = tmp_path_factory.mktemp("project")
    folder = project / "functions" / "shop"
    for version in ("1", "2"):
        copy_version(DIGITS / "model", folder / "model" / "shop" / version)
    shutil.copytree(ROOT / "functions" / "wine" / "model", project / "functions" / "wine" / "model")
    (folder / "model" / "wine").mkdir()
    subprocess.run(["sh", "-ec", block_that("models", "cp -r ")], cwd=project, check=True)
    for line in block_that("models", "functions/shop/").splitlines():
        assert (project / line.split()[0] / "model.json").is_file()
    text = (DIGITS / "function.toml").read_text()
    for old, new in {'"digits"': '"shop"', 'version = "1"': 'version = "2"'}.items():
        text = text.replace(old, new)
    models = block_that("models", "[models]").replace("control = false", "control = true")
    (folder / "function.toml").write_text(f"{text}\n{models}")
    shutil.copy(DIGITS / "app.py", folder)
    server = start_server(folder, **read_config(folder / "function.toml").environment())
    return Served(server.url.removeprefix("http://"), "")


@dataclass(frozen=True)
class Served:
    http: str
    grpc: str


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory,
    digit_png: bytes,
    digit_images: tuple[NDArray[np.uint8], NDArray[np.int64]],
) -> Path:
    """Where the reader stands, with the files that the guides name."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "seven.png").write_bytes(digit_png)
    (folder / "line.png").write_bytes(line_of("314", digit_images))
    (folder / "row.csv").write_text(ROW)
    return folder


@named([block for block in BLOCKS if block.found_in(COMMANDS)])
def test_a_block_prints_what_it_shall(
    block: Block, request: pytest.FixtureRequest, files: Path
) -> None:
    to = request.getfixturevalue("shop" if block.guide == "models" else "served")
    text = block.text.replace("localhost:8080", to.http).replace("localhost:8001", to.grpc)
    is_python = text.startswith(("import ", "from "))
    done = subprocess.run(
        [PYTHON, "-c", text] if is_python else ["sh", "-ec", text],
        cwd=files,
        env=os.environ | {"no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (printed,) = block.found_in(COMMANDS)
    assert re.fullmatch(printed, done.stdout), done.stdout


@named([block for block in BLOCKS if block.is_settings])
def test_settings_can_be_read(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "digits" / "function.toml"
    path.parent.mkdir()
    path.write_text(f"{(DIGITS / 'function.toml').read_text()}\n{block.text}")
    assert read_config(path).name == "digits"


@named([block for block in BLOCKS if block.is_answer])
def test_answers_have_the_keys_that_are_told(block: Block, served: Served, files: Path) -> None:
    seven, line = ((files / f"{name}.png").read_bytes() for name in ("seven", "line"))
    png = {"content-type": "image/png"}
    with httpx.Client(base_url=f"http://{served.http}", headers=png, trust_env=False) as client:
        answers = [
            client.post("/predict", content=seven),
            client.post("/predict?model=line", content=line),
            client.get("/health/ready"),
            client.post("/predict?top=x&version=1", content=seven),
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
    told = keys_of(block.text)
    left_out = {"label", "score"} if '[{"predictions": […]}' in block.text else set()
    assert told in [keys_of(json.dumps(answer.json())) - left_out for answer in answers]


def keys_of(text: str) -> set[str]:
    return set(re.findall(r'"(\w+)":', text))


@pytest.mark.parametrize(
    ("path", "body", "status", "reference"),
    [
        ("/predict?model=nothing", {}, 404, "model-unknown"),
        ("/v2/models/nothing/infer", {}, 404, "model-unknown"),
        ("/v1/models/nothing:predict", {}, 404, "model-unknown"),
        ("/v1/models/digits:classify", {}, 400, "method-unsupported"),
        ("/v1/models/digits:regress", {}, 400, "method-unsupported"),
        ("/v2/models/digits/stats", {}, 404, "route-unknown"),
        ("/v2/systemsharedmemory/region/x/register", {}, 404, "route-unknown"),
        (
            "/v2/models/digits/infer",
            {
                "inputs": [
                    {
                        "name": "image",
                        "shape": [1, 8, 8, 1],
                        "datatype": "FP32",
                        "parameters": {"shared_memory_region": "x", "shared_memory_byte_size": 256},
                    }
                ]
            },
            400,
            "infer-form",
        ),
        ("/v2/models/line/infer", {"inputs": []}, 415, "pipeline-bodies"),
        ("/v1/models/line:predict", {"instances": [[1]]}, 415, "pipeline-bodies"),
    ],
)
def test_what_is_refused_has_the_reference_that_is_told(
    path: str, body: dict[str, Any], status: int, reference: str, served: Served
) -> None:
    answer = httpx.post(
        f"http://{served.http}{path}",
        json=body,
        headers={"accept-encoding": "gzip"},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()["reference"]) == (status, reference)
    assert {"error", "reference", "hint", "request_id"} <= answer.json().keys()
    assert "content-encoding" not in answer.headers
    assert f"`{reference}`" in "".join(
        (GUIDES / f"{each}.md").read_text() for each in ("protocols", "requests")
    )


def test_a_route_of_the_functions_own_replaces_the_page(
    start_server: Callable[..., Server], function_folder: Path
) -> None:
    (function_folder / "app.py").write_text(block_that("protocols", ROUTE))
    url = start_server(function_folder).url
    assert httpx.get(f"{url}/", trust_env=False).status_code == 404
    assert httpx.get(f"{url}/model", trust_env=False).status_code == 200
