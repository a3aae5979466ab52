"""What liteship is compared with, how each is started, and what it is asked in.

Each has an environment of its own, `.tools/peers/NAME`, and its code in `benchmarks/peers/NAME`. The
README there says what each is, and where it deviates from its documentation.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.comparison.models import BUILD, ROOT, function_folder
from benchmarks.comparison.wire import PICTURES

if TYPE_CHECKING:
    from pathlib import Path

SHARED = ROOT / "benchmarks" / "peers" / "shared"
RAW = {"raw": "/predict/tensor"}
HANDLERS = {**RAW, "JSON": "/predict", **dict.fromkeys(PICTURES, "/predict/picture")}
V2 = "/v2/models/model/infer"


class Peer(NamedTuple):
    """One server, or one Lambda function.

    Args:
        name: Title of its row.
        environment: Folder below `.tools/peers`, and below `benchmarks/peers`, where it is started.
        command: `{bin}` stands for the environment's programs, `{port}` for the port.
        forms: Path of each wire form (wire.py) that it offers by its own documentation.
        ready: Path whose 200 says that the model is loaded; "" where only a prediction does.
        dialect: Which variant of the wire forms it speaks.
        variables: Added to its environment variables, with `{port}` too.
    """

    name: str
    environment: str
    command: tuple[str, ...]
    forms: dict[str, str]
    ready: str
    dialect: str = ""
    variables: tuple[tuple[str, str], ...] = ()


UVICORN = ("{bin}/uvicorn", "app:app", "--host", "127.0.0.1", "--port", "{port}")
LAMBDA = ("{bin}/python", "-m", "awslambdaric", "app.handler")
# gRPC and metrics listen too, as by default, each on any free port.
MLSERVER = (
    ("MLSERVER_HOST", "127.0.0.1"),
    ("MLSERVER_HTTP_PORT", "{port}"),
    ("MLSERVER_GRPC_PORT", "0"),
    ("MLSERVER_METRICS_PORT", "0"),
    ("MLSERVER_METRICS_DIR", str(BUILD / "mlserver" / "metrics")),
    ("MLSERVER_ENVIRONMENTS_DIR", str(BUILD / "mlserver" / "environments")),
)

PEERS = (
    Peer("FastAPI", "fastapi", UVICORN, HANDLERS, "/ready"),
    Peer(
        "KServe",
        "kserve",
        ("{bin}/python", "server.py"),
        {"V2 binary": V2, "V2 binary, FP32": V2, "V2 JSON": V2},
        "/v2/models/model/ready",
    ),
    Peer(
        "MLServer, in-process",
        "mlserver",
        ("{bin}/mlserver", "start", "."),
        {"V2 JSON": V2},
        "/v2/models/model/ready",
        variables=(*MLSERVER, ("MLSERVER_PARALLEL_WORKERS", "0")),
    ),
    Peer(
        "MLServer",
        "mlserver",
        ("{bin}/mlserver", "start", "."),
        {"V2 JSON": V2},
        "/v2/models/model/ready",
        variables=MLSERVER,
    ),
    Peer(
        "BentoML",
        "bentoml",
        ("{bin}/bentoml", "serve", "service:Classifier", "--host", "127.0.0.1", "--port", "{port}"),
        {"JSON": "/predict", **dict.fromkeys(PICTURES, "/classify")},
        "/readyz",
        "bentoml",
        (("BENTOML_DO_NOT_TRACK", "True"),),
    ),
    Peer(
        "LitServe",
        "litserve",
        ("{bin}/python", "server.py"),
        {"JSON": "/predict"},
        "/health",
        "litserve",
    ),
    Peer("ONNX Runtime + FastAPI", "onnxruntime", UVICORN, HANDLERS, "/ready", "float32"),
    Peer("TensorFlow + FastAPI", "tensorflow", UVICORN, HANDLERS, "/ready", "float32"),
    Peer("uvicorn echo", "uvicorn-echo", UVICORN, {"raw": "/"}, "", "echo"),
)

# For awslambdaric, under the emulator: events of API Gateway, payload version 2.0.
FUNCTIONS = (
    Peer("FastAPI + Mangum", "mangum", LAMBDA, HANDLERS, ""),
    Peer("bare handler", "bare", LAMBDA, {**RAW, "JSON": "/predict"}, ""),
    Peer("echo handler", "echo", LAMBDA, {"raw": "/"}, "", "echo"),
)


def make_environment(peer: Peer, model: str) -> Path:
    """The folder of its environment, installed if it is not, with its form of the model made.

    Raises:
        subprocess.CalledProcessError: It cannot be.
    """
    environments = [peer.environment]
    quantized = function_folder(model) / "int8.onnx"
    convert = peer.environment == "onnxruntime" and not quantized.exists()
    if convert:
        environments.append("onnx-models")
    for name in environments:
        subprocess.run(
            ["make", "--silent", f".tools/peers/{name}"], check=True, cwd=ROOT, stdout=sys.stderr
        )
    if convert:
        program = ROOT / "benchmarks" / "peers" / "onnx-models" / "make_models.py"
        python = ROOT / ".tools" / "peers" / "onnx-models" / "bin" / "python"
        subprocess.run([python, program, quantized.parent], check=True, stderr=subprocess.DEVNULL)
    return ROOT / ".tools" / "peers" / peer.environment
