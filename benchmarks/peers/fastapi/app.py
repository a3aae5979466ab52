"""FastAPI under uvicorn."""

import os
from pathlib import Path

from litert import Model
from web import make_app

app = make_app(Model(Path(os.environ["MODEL_FOLDER"])))
