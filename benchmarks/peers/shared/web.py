"""The handlers that one writes in FastAPI in an afternoon, around any of the models here.

https://fastapi.tiangolo.com/tutorial/body/ and, for bodies that are not JSON,
https://fastapi.tiangolo.com/advanced/using-request-directly/
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel


class Inputs(BaseModel):
    """A JSON request: one list of numbers for each item; there may be one."""

    inputs: list[list[float]]


class Prediction(BaseModel):
    """One label and its probability."""

    label: str
    score: float


class Answer(BaseModel):
    """The best labels, the best one first."""

    predictions: list[Prediction]


def make_app(model: Any) -> FastAPI:
    """A path for each kind of body."""
    app = FastAPI()

    @app.get("/ready")
    async def ready() -> None:
        """Answers: the model was loaded before the app was made."""

    @app.post("/predict")
    async def predict_numbers(request: Inputs) -> Answer:
        """Real numbers."""
        (numbers,) = request.inputs
        return Answer(predictions=model.predict(model.from_numbers(numbers)))

    @app.post("/predict/tensor")
    async def predict_tensor(request: Request) -> Answer:
        """The input tensor's bytes."""
        return Answer(predictions=model.predict(model.from_bytes(await request.body())))

    @app.post("/predict/picture")
    async def predict_picture(request: Request) -> Answer:
        """A JPEG or PNG file."""
        return Answer(predictions=model.predict(model.from_picture(await request.body())))

    return app
