"""Examples and signatures in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kea_openapi.signature import Signature, SignatureError, from_json

from kea_sdk.errors import PackagingError


def read_example(path: Path) -> Any:
    """Reads the inputs of a call: JSON (by name, or rows), CSV with a header (a table), or an array of numpy's.

    Raises:
        PackagingError: the file cannot be read.
    """
    try:
        match path.suffix.lower():
            case ".csv":
                import pandas as pd

                return pd.read_csv(path)
            case ".npy":
                import numpy as np

                return np.load(path, allow_pickle=False)
            case _:
                return _inputs(json.loads(path.read_text("utf-8-sig")))
    except (OSError, ValueError) as error:
        problem = f"the example {path} cannot be read: {_cause(error)}"
        raise PackagingError(problem) from error
    except ModuleNotFoundError as error:
        problem = f"{error.name} is needed to read {path.name}, and is not installed here"
        raise PackagingError(problem) from error


def read_signature(path: Path) -> Signature:
    """Reads a signature in its JSON form.

    Raises:
        PackagingError: the file cannot be read, or is no signature.
    """
    try:
        return from_json(json.loads(path.read_text("utf-8-sig")))
    except SignatureError as error:
        problem = f"{path}: {error}"
        raise PackagingError(problem) from error
    except (OSError, ValueError) as error:
        problem = f"the signature {path} cannot be read: {_cause(error)}"
        raise PackagingError(problem) from error


def _cause(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    return " ".join((text or str(error)).split())


def _inputs(document: Any) -> Any:
    """Returns the inputs of a document that is them, or has them as `inputs`, as an example in a signature does."""
    if (
        isinstance(document, dict)
        and set(document) <= {"inputs", "outputs"}
        and isinstance(document.get("inputs"), dict)
    ):
        return document["inputs"]
    return document
