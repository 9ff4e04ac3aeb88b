"""Trains a classifier of irises, and saves it, or pushes it to KEA with `--push`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import joblib
from kea.sdk import Client
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

HERE = Path(__file__).parent


def train() -> tuple[LogisticRegression, list[list[float]]]:
    """Returns the fitted model, and two flowers it can be called with: a row each of sepal and petal measures in cm."""
    features, species = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(features, species)
    return model, features[[0, 100]].tolist()


def main() -> None:
    """Reads the command line and does as it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--push", action="store_true", help="push the model instead of saving it")
    model, example = train()
    if parser.parse_args().push:
        with Client() as client:
            print(f"pushed {client.push('iris', model, example=example, description='Logistic regression.')}")
        return
    joblib.dump(model, HERE / "iris.joblib")
    (HERE / "example.json").write_text(json.dumps({"input": example}))
    print(f"saved {HERE / 'iris.joblib'} and example.json")


if __name__ == "__main__":
    main()
