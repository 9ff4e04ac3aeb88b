"""Makes a small ONNX model: a random forest that tells handwritten digits apart, converted from scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

HERE = Path(__file__).parent
PIXELS = 64


def make_model() -> Any:
    """Returns the graph; it takes images of 8 by 8 pixels, a row each, and gives labels and probabilities."""
    images, digits = load_digits(return_X_y=True)
    forest = RandomForestClassifier(n_estimators=20, max_depth=8, random_state=0).fit(images, digits)
    return convert_sklearn(
        forest,
        initial_types=[("images", FloatTensorType([None, PIXELS]))],
        options={"zipmap": False},  # probabilities as a tensor rather than a list of mappings
    )


def main() -> None:
    """Writes the model beside this file."""
    path = HERE / "digits.onnx"
    path.write_bytes(make_model().SerializeToString())
    print(f"saved {path}")


if __name__ == "__main__":
    main()
