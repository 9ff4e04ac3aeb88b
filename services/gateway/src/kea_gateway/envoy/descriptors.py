"""Descriptors that Envoy reads gRPC messages by."""

from __future__ import annotations

from google.protobuf import descriptor_pb2

from kea_gateway.inference_messages import inference_file


def inference_descriptor_set() -> bytes:
    """Returns the descriptor set of the Open Inference Protocol."""
    return descriptor_pb2.FileDescriptorSet(file=[inference_file()]).SerializeToString(deterministic=True)
