"""The iris model behind a FastAPI app, as one writes it by hand: no gateway, no token, no docs of its own, no limits.

The yardstick of the benchmark. It is written the quick way: an async handler (no thread per request), uvicorn with
uvloop and httptools.
"""

from __future__ import annotations

import os

import joblib
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["IRIS_MODEL"])


class Flowers(BaseModel):
    """Rows of four lengths each."""

    input: list[list[float]]


class Kinds(BaseModel):
    """A kind per row."""

    output: list[int]


@app.post("/models/iris/predict")
async def predict(flowers: Flowers) -> Kinds:
    """Returns the kind of each flower."""
    return Kinds(output=model.predict(np.asarray(flowers.input)).tolist())
