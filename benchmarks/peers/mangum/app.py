"""The same FastAPI application on Lambda by Mangum.

https://mangum.fastapiexpert.com
"""

import os
from pathlib import Path

from litert import Model
from mangum import Mangum
from web import make_app

handler = Mangum(make_app(Model(Path(os.environ["MODEL_FOLDER"]))), lifespan="off")
