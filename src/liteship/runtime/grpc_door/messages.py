"""The protocol's messages, made when they are needed: no generated code, no compiler.

Names, numbers and types are those of the published definition
(https://github.com/kserve/open-inference-protocol/tree/main/specification/protocol) and of Triton's
extension for model repositories, without its parameters. On the wire a map is a repeated message of key
and value, a oneof is its fields, and a nested message one like any other
(https://protobuf.dev/programming-guides/encoding/).
proto2, for fields whose presence can be told.
"""

from __future__ import annotations

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SERVICE = "inference.GRPCInferenceService"

HEALTH_SERVICE = "grpc.health.v1.Health"
"""What Kubernetes' gRPC probes ask (https://github.com/grpc/grpc/blob/master/doc/health-checking.md)."""

_FIELDS = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live = 1",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready = 1",),
    "ModelReadyRequest": ("string name = 1", "string version = 2"),
    "ModelReadyResponse": ("bool ready = 1",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": (
        "string name = 1",
        "string version = 2",
        "repeated string extensions = 3",
    ),
    "ModelMetadataRequest": ("string name = 1", "string version = 2"),
    "TensorMetadata": ("string name = 1", "string datatype = 2", "repeated int64 shape = 3"),
    "ModelMetadataResponse": (
        "string name = 1",
        "repeated string versions = 2",
        "string platform = 3",
        "repeated TensorMetadata inputs = 4",
        "repeated TensorMetadata outputs = 5",
    ),
    "InferParameter": (
        "bool bool_param = 1",
        "int64 int64_param = 2",
        "string string_param = 3",
        "double double_param = 4",
        "uint64 uint64_param = 5",
    ),
    "Parameter": ("string key = 1", "InferParameter value = 2"),
    "InferTensorContents": (
        "repeated bool bool_contents = 1",
        "repeated int32 int_contents = 2",
        "repeated int64 int64_contents = 3",
        "repeated uint32 uint_contents = 4",
        "repeated uint64 uint64_contents = 5",
        "repeated float fp32_contents = 6",
        "repeated double fp64_contents = 7",
        "repeated bytes bytes_contents = 8",
    ),
    "InferInputTensor": (
        "string name = 1",
        "string datatype = 2",
        "repeated int64 shape = 3",
        "repeated Parameter parameters = 4",
        "InferTensorContents contents = 5",
    ),
    "InferRequestedOutputTensor": ("string name = 1", "repeated Parameter parameters = 2"),
    "ModelInferRequest": (
        "string model_name = 1",
        "string model_version = 2",
        "string id = 3",
        "repeated Parameter parameters = 4",
        "repeated InferInputTensor inputs = 5",
        "repeated InferRequestedOutputTensor outputs = 6",
        "repeated bytes raw_input_contents = 7",
    ),
    "InferOutputTensor": ("string name = 1", "string datatype = 2", "repeated int64 shape = 3"),
    "ModelInferResponse": (
        "string model_name = 1",
        "string model_version = 2",
        "string id = 3",
        "repeated InferOutputTensor outputs = 5",
        "repeated bytes raw_output_contents = 6",
    ),
    "RepositoryIndexRequest": ("string repository_name = 1", "bool ready = 2"),
    "ModelIndex": ("string name = 1", "string version = 2", "string state = 3", "string reason = 4"),
    "RepositoryIndexResponse": ("repeated ModelIndex models = 1",),
    "RepositoryModelLoadRequest": ("string repository_name = 1", "string model_name = 2"),
    "RepositoryModelLoadResponse": (),
    "RepositoryModelUnloadRequest": ("string repository_name = 1", "string model_name = 2"),
    "RepositoryModelUnloadResponse": (),
    "HealthCheckRequest": ("string service = 1",),
    "HealthCheckResponse": ("int32 status = 1",),  # an enumeration: 1 is SERVING, 2 NOT_SERVING
}

_TYPES = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "string": FieldDescriptorProto.TYPE_STRING,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
}


def _create_classes() -> dict[str, Any]:
    file = FileDescriptorProto(name="liteship/open_inference.proto", syntax="proto2")
    for message, fields in _FIELDS.items():
        described = file.message_type.add(name=message)
        for text in fields:
            declared, _, number = text.partition(" = ")
            *label, kind, name = declared.split()
            field = described.field.add(name=name, number=int(number))
            field.label = field.LABEL_REPEATED if label else field.LABEL_OPTIONAL
            if kind in _TYPES:
                field.type = _TYPES[kind]
            else:
                field.type, field.type_name = field.TYPE_MESSAGE, f".{kind}"
    pool = DescriptorPool()  # of its own: clients in the same process define the same names
    pool.Add(file)
    return {name: GetMessageClass(pool.FindMessageTypeByName(name)) for name in _FIELDS}


CLASSES = _create_classes()
"""The class of each message, by name."""
