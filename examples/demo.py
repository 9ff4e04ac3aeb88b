"""Shows KEA in half a minute: pushes and deploys two models, calls them over REST and gRPC, and tells how long it took.

Needs a running KEA (`kea up --detach`) and the packages of the `examples` and `test` groups. Stops nothing by itself.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import tritonclient.grpc as triton
from kea.sdk import Client, KeaClientError

HERE = Path(__file__).parent
sys.path += [str(HERE / "iris"), str(HERE / "onnx")]

from make_model import make_model  # noqa: E402  # pyright: ignore[reportMissingImports] - the path is set up above
from train import train  # noqa: E402  # pyright: ignore[reportMissingImports] - as above


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Does something, and prints how long it took."""
    begin = time.perf_counter()
    result = work()
    print(f"  {what:<42} {(time.perf_counter() - begin) * 1000:9.1f} ms")
    return result


def open_inference_rest(url: str, token: str, rows: list[list[float]]) -> Any:
    """Calls iris by the Open Inference Protocol over REST."""
    data = np.asarray(rows)
    body = {"inputs": [{"name": "input", "shape": list(data.shape), "datatype": "FP64", "data": data.ravel().tolist()}]}
    headers = {"authorization": f"Bearer {token}"}
    response = httpx.post(f"{url}/v2/models/iris/infer", json=body, headers=headers, trust_env=False, timeout=60)
    response.raise_for_status()
    return response.json()["outputs"][0]["data"]


def open_inference_grpc(url: str, token: str, images: np.ndarray[Any, Any]) -> Any:
    """Calls digits by the Open Inference Protocol over gRPC, with a client that knows nothing of KEA."""
    given = triton.InferInput("images", list(images.shape), "FP32")
    given.set_data_from_numpy(images)
    with triton.InferenceServerClient(urlsplit(url).netloc, ssl=url.startswith("https://")) as client:
        result = client.infer("digits", [given], headers={"authorization": f"Bearer {token}"}, client_timeout=60)
    labels = result.as_numpy("label") if result is not None else None
    return None if labels is None else labels.tolist()


def show(client: Client) -> None:
    """Does everything, in order."""
    model, rows = train()
    graph = make_model()
    images = np.zeros((1, 64), np.float32)

    print("iris, a scikit-learn model")
    begin = time.perf_counter()
    version = timed("push", lambda: client.push("iris", model, example=rows))
    timed(f"deploy {version}", lambda: client.deploy(f"iris:{version.number}"))
    answer = timed("first prediction (typed JSON)", lambda: client.predict("iris", rows))
    print(f"  push to first prediction: {time.perf_counter() - begin:.1f} s")
    print(f"  {answer}")
    token = client.token(ttl=600).access_token
    labels = timed("Open Inference Protocol, REST", lambda: open_inference_rest(client.url, token, rows))
    print(f"  {labels}")

    print("digits, an ONNX model")
    begin = time.perf_counter()
    version = timed("push", lambda: client.push("digits", graph))
    timed(f"deploy {version}", lambda: client.deploy(f"digits:{version.number}"))
    timed("first prediction (typed JSON)", lambda: client.predict("digits", {"images": images}))
    print(f"  push to first prediction: {time.perf_counter() - begin:.1f} s")
    labels = timed("Open Inference Protocol, gRPC", lambda: open_inference_grpc(client.url, token, images))
    print(f"  {labels}")

    print("documentation")
    for endpoint in ("iris", "digits"):
        print(f"  {client.docs_url(endpoint)}")
    print(f"  {client.url}/docs")


def main() -> int:
    """Runs the demonstration; returns the exit code."""
    try:
        with Client() as client:
            show(client)
    except KeaClientError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
