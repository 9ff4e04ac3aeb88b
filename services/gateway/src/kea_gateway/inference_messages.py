"""Messages of the Open Inference Protocol, in a descriptor pool of their own.

Every maker's client registers the same names in the process's common pool, which takes each name once: the generated
stubs and tritonclient cannot be loaded into one process, as tests and tools that use both would have to.
"""

from __future__ import annotations

import functools

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from kea_openapi.api_resource import descriptor_set

PACKAGE = "inference"


@functools.cache
def inference_file() -> descriptor_pb2.FileDescriptorProto:
    """Returns the protocol's file, without comments."""
    file = next(file for file in descriptor_set().file if file.package == PACKAGE)
    file.ClearField("source_code_info")
    return file


@functools.cache
def message_class(name: str) -> type[Message]:
    """Returns the class of a message, for example `ModelInferRequest`.

    Raises:
        KeyError: the protocol has none of that name.
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(inference_file())
    return pool
