"""Code that calls a model, to be pasted as it stands: curl, KEA's Python client and tritonclient."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pprint import pformat
from typing import Any

from kea_openapi.examples import MAX_ELEMENTS, MethodExample
from kea_openapi.model_draft import Json, ModelApi
from kea_openapi.oip import OipTensor, flatten, oip_tensor
from kea_openapi.signature import Datatype, Field, Method

_NUMPY: Mapping[Datatype, str] = {
    Datatype.BOOL: "bool_",
    Datatype.UINT8: "uint8",
    Datatype.UINT16: "uint16",
    Datatype.UINT32: "uint32",
    Datatype.UINT64: "uint64",
    Datatype.INT8: "int8",
    Datatype.INT16: "int16",
    Datatype.INT32: "int32",
    Datatype.INT64: "int64",
    Datatype.FP16: "float16",
    Datatype.FP32: "float32",
    Datatype.FP64: "float64",
    Datatype.BYTES: "object_",
}


def curl(api: ModelApi, path: str, body: Any = None, verb: str = "POST") -> Json:
    """Returns the shell command for one call."""
    lines = [f'curl -sS -X {verb} "{_base(api)}{path}"', '-H "Authorization: Bearer $KEA_TOKEN"']
    if verb == "POST":
        text = json.dumps(body, ensure_ascii=False, separators=(", ", ": ")).replace("'", "'\\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{text}'"]
    return {"lang": "Shell", "label": "curl", "source": " \\\n  ".join(lines) + "\n"}


def kea_client(api: ModelApi, method: Method, example: MethodExample) -> Json:
    """Returns Python for KEA's own client."""
    inputs = example.inputs
    needs_numpy = False
    if inputs is None:
        literals = [(field.name, _zeros(oip_tensor(field))) for field in method.inputs if field.required]
        needs_numpy = True
    else:
        literals = [(name, pformat(value, width=100, sort_dicts=False)) for name, value in inputs.items()]
    entries = "".join(f"        {name!r}: {_indented(text, 8)},\n" for name, text in literals)
    argument = f"{{\n{entries}    }}" if entries else "{}"
    project = "" if api.project == "default" else f", project={api.project!r}"
    source = (
        "import os\n\n"
        + ("import numpy as np\n" if needs_numpy else "")
        + "import kea_sdk\n\n"
        + f'with kea_sdk.Client({_base(api)!r}, token=os.environ["KEA_TOKEN"]) as client:\n'
        + f"    print(client.predict({api.name!r}, {argument}, method={method.name!r}{project}))\n"
    )
    return {"lang": "Python", "label": "KEA client", "source": source}


def triton_client(api: ModelApi, method: Method, example: MethodExample) -> Json:
    """Returns Python for tritonclient over HTTP, which speaks the Open Inference Protocol."""
    scheme, _, rest = _base(api).partition("://")
    tls = ", ssl=True" if scheme == "https" else ""
    lines = [
        "import os",
        "",
        "import numpy as np",
        "import tritonclient.http as triton",
        "",
        f"client = triton.InferenceServerClient({(rest or scheme) + api.prefix!r}{tls})",
        "inputs = []",
    ]
    for field in method.inputs:
        if example.inputs is not None and field.name not in example.inputs:
            continue
        if example.inputs is None and not field.required:
            continue
        wire = oip_tensor(field)
        value = _zeros(wire) if example.inputs is None else _array(field, wire, example.inputs[field.name])
        lines += [
            f"data = {value}",
            f"inputs.append(triton.InferInput({field.name!r}, list(data.shape), {wire.tensor.datatype.value!r}))",
            "inputs[-1].set_data_from_numpy(data)",
        ]
    name = api.address(method)
    lines += [
        'headers = {"Authorization": f"Bearer {os.environ[\'KEA_TOKEN\']}"}',
        f"result = client.infer({name!r}, inputs, headers=headers)",
        *(f"print({field.name!r}, result.as_numpy({field.name!r}))" for field in method.outputs),
    ]
    return {"lang": "Python", "label": "tritonclient", "source": "\n".join(lines) + "\n"}


def _base(api: ModelApi) -> str:
    """Returns the gateway's address; a relative one stands for a variable that the reader sets."""
    url = api.server_url.rstrip("/")
    return url if "://" in url else f"$KEA_URL{url}"


def _array(field: Field, wire: OipTensor, value: Any) -> str:
    if wire.json_text:
        data: Any = [json.dumps(value, ensure_ascii=False)]
    elif field.tensor is None and wire.tensor.shape == (1,) and not isinstance(value, list):
        data = [value]
    else:
        data = value
    flat, _ = flatten(data, len(wire.tensor.shape))
    if len(flat) > MAX_ELEMENTS:
        return _zeros(wire)
    text = pformat(data, width=100, compact=True)
    return f"np.array({_indented(text, 16)}, dtype=np.{_NUMPY[wire.tensor.datatype]})"


def _zeros(wire: OipTensor) -> str:
    """Returns an expression for a tensor of the right shape, where writing it out would be too long."""
    shape = tuple(max(extent, 1) if extent < 0 else extent for extent in wire.tensor.shape)
    if wire.json_text or wire.tensor.datatype is Datatype.BYTES:
        count = math.prod(shape)
        return f"np.array([{'null' if wire.json_text else 'text'!r}] * {count}, dtype=np.object_).reshape({shape!r})"
    return f"np.zeros({shape!r}, dtype=np.{_NUMPY[wire.tensor.datatype]})"


def _indented(text: str, spaces: int) -> str:
    return text.replace("\n", "\n" + " " * spaces)
