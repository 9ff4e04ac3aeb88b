"""Descriptors that Envoy needs: of the management API, to transcode; of inference, to read the model's name."""

from __future__ import annotations

from google.protobuf import descriptor_pb2
from kea.inference.v2 import open_inference_grpc_pb2


def inference_descriptor_set() -> bytes:
    """Returns the descriptor set of the Open Inference Protocol."""
    file = descriptor_pb2.FileDescriptorProto.FromString(open_inference_grpc_pb2.DESCRIPTOR.serialized_pb)
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString(deterministic=True)
