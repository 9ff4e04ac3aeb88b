from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest
from api_protos import Method, files, messages, methods, unexplained, without_access, without_behaviour, without_path
from google.api import resource_pb2
from google.longrunning import operations_pb2
from google.protobuf import descriptor_pb2
from kea.longrunning.v1 import operations_pb2_grpc
from kea_core.access import FOREIGN, declared
from kea_core.validation import resource_pattern
from kea_openapi import proto_options
from kea_openapi.api_resource import MANAGEMENT_SERVICES, OPERATIONS
from workspace import classes

METHODS = methods()
UNSERVED = {f"/{OPERATIONS}/{name}" for name in ("CancelOperation", "DeleteOperation")}
"""Methods of Google's operations without a REST form of KEA's."""


def services() -> dict[str, Any]:
    """Returns the descriptor of every service that KEA serves, by full name, from the stubs."""
    found = {OPERATIONS: operations_pb2.DESCRIPTOR.services_by_name["Operations"]}
    for file in files():
        stub = importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        found |= {service.full_name: service for service in stub.DESCRIPTOR.services_by_name.values()}
    return found


def generated(service: str) -> type:
    """Returns the class that a service's servicer must be derived from."""
    if service == OPERATIONS:
        return operations_pb2_grpc.OperationsServicer
    file = services()[service].file.name.removesuffix(".proto").replace("/", ".")
    return getattr(importlib.import_module(f"{file}_pb2_grpc"), f"{service.rpartition('.')[2]}Servicer")


def implementations(service: str) -> list[type]:
    base = generated(service)
    found = classes("kea_auth", "kea_deployer", "kea_gateway", "kea_registry", "kea_router")
    return [one for one in found if issubclass(one, base) and one is not base]


def test_every_service_is_one_of_the_management_api() -> None:
    assert tuple(sorted(services())) == MANAGEMENT_SERVICES


@pytest.mark.parametrize("path", METHODS)
def test_every_method_is_implemented_in_the_right_shape(path: str) -> None:
    service, _, name = path.lstrip("/").partition("/")
    (implementation,) = implementations(service)
    method = inspect.getattr_static(implementation, name)
    described = METHODS[path]
    assert method is not inspect.getattr_static(generated(service), name, None), f"{path} is the generated one"
    assert inspect.isasyncgenfunction(method) if described.server_streaming else inspect.iscoroutinefunction(method)
    request = "request_iterator" if described.client_streaming else "request"
    assert list(inspect.signature(method).parameters) == ["self", request, "context"]


def test_nothing_is_implemented_that_no_proto_has() -> None:
    for service, descriptor in services().items():
        for implementation in implementations(service):
            public = {name for name, _ in inspect.getmembers(implementation, inspect.isfunction) if name[0].isupper()}
            assert public == {method.name for method in descriptor.methods}


def plain(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    """Returns a file without what only one of the two ways of making it writes: comments, and names in JSON."""
    made = descriptor_pb2.FileDescriptorProto()
    made.CopyFrom(file)
    made.ClearField("source_code_info")
    for message in messages([made]).values():
        for field in message.field:
            field.ClearField("json_name")
    for extension in made.extension:
        extension.ClearField("json_name")
    return made


def test_the_packaged_descriptors_are_those_of_the_stubs() -> None:
    for file in files():
        stub = importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        ours = descriptor_pb2.FileDescriptorProto.FromString(stub.DESCRIPTOR.serialized_pb)
        assert plain(file) == plain(ours), f"{file.name}: run `make generate`"


def test_every_method_says_who_may_call_it() -> None:
    assert without_access(METHODS) == []
    assert set(METHODS) <= set(declared(services()))


def test_the_document_and_the_services_agree_on_who_may_call_operations() -> None:
    for path in set(METHODS) & set(FOREIGN) - UNSERVED:
        assert proto_options.access(METHODS[path]).permission == FOREIGN[path].permission, path


def test_every_method_of_one_answer_has_a_rest_form() -> None:
    assert set(without_path(METHODS)) == UNSERVED


def test_no_two_methods_have_the_same_rest_form() -> None:
    rules = [str(rule) for method in METHODS.values() if (rule := proto_options.http_rule(method)) is not None]
    shapes = [re.sub(r"\{[^=}]+", "{", rule) for rule in rules]
    assert len(set(shapes)) == len(shapes)


def test_every_field_of_a_request_says_how_it_behaves() -> None:
    assert without_behaviour(files()) == []


def test_everything_is_explained() -> None:
    assert unexplained(files()) == []


def test_every_resource_has_a_type_a_pattern_and_both_its_names() -> None:
    found: set[str] = set()
    for name, message in messages(files()).items():
        options: Any = message.options
        resource: resource_pb2.ResourceDescriptor = options.Extensions[resource_pb2.resource]
        if resource.type:
            found.add(name.rpartition(".")[2])
            assert resource.type == f"kea.dev/{message.name}"
            assert resource.singular == message.name[0].lower() + message.name[1:]
            if resource.pattern[0].endswith("}"):  # of others there is one for each parent (AIP-156)
                assert resource.pattern[0].split("/")[-2] in (resource.plural, "versions", "revisions")
            assert resource_pattern(resource.type) == resource.pattern[0]
    assert found == {
        "ApiKey",
        "Binding",
        "Build",
        "Deployment",
        "Endpoint",
        "EndpointRevision",
        "Model",
        "ModelVersion",
        "ProjectLimits",
        "Role",
        "ServiceAccount",
        "SigningKey",
        "User",
    }


def test_these_checks_see_what_is_missing() -> None:
    described = files()
    method = Method(name="Do")
    assert without_access({"/x/Do": method}) == without_path({"/x/Do": method}) == ["/x/Do"]
    proto_options.access(method).permission = "x.y.z"
    assert without_access({"/x/Do": method}) == []

    file = next(file for file in described if file.name == "kea/registry/v1/model_service.proto")
    whole = len(file.source_code_info.location)
    del file.source_code_info.location[:]
    assert len(unexplained([file])) >= whole - 1
    file.message_type[0].field[0].ClearField("options")
    assert without_behaviour([file]) == ["kea.registry.v1.CreateModelRequest.parent"]
