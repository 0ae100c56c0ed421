"""The messages of gNMI 0.10, its extensions, server reflection, and error details.

The numbers are those of the public specifications (openconfig/gnmi, grpc/grpc-proto,
googleapis/google/rpc); what is reserved or unused here is left out.
"""

from __future__ import annotations

import enum
from typing import Final

from flowexport_mgmt.north.gnmi.descriptors import Package, Pool

VERSION: Final = "0.10.0"
SERVICE: Final = "gnmi.gNMI"


class Encoding(enum.IntEnum):
    """How values are encoded (specification, section 2.3)."""

    JSON = 0
    BYTES = 1
    PROTO = 2
    ASCII = 3
    JSON_IETF = 4


class DataType(enum.IntEnum):
    """What a Get asks for (section 3.3.1)."""

    ALL = 0
    CONFIG = 1
    STATE = 2
    OPERATIONAL = 3


class ListMode(enum.IntEnum):
    """How long a subscription lasts (section 3.5.1.2)."""

    STREAM = 0
    ONCE = 1
    POLL = 2


class Mode(enum.IntEnum):
    """What makes a subscription send (section 3.5.1.3)."""

    TARGET_DEFINED = 0
    ON_CHANGE = 1
    SAMPLE = 2


class Operation(enum.IntEnum):
    """What a Set did with a path (section 3.4.2)."""

    INVALID = 0
    DELETE = 1
    REPLACE = 2
    UPDATE = 3
    UNION_REPLACE = 4


def _values(values: type[enum.IntEnum]) -> dict[str, int]:
    return {value.name: value.value for value in values}


POOL: Final = Pool()

_extensions = Package(
    POOL,
    "github.com/openconfig/gnmi/proto/gnmi_ext/gnmi_ext.proto",
    "gnmi_ext",
    imports=["google/protobuf/duration.proto"],
    messages={
        "Extension": (
            "ext.registered_ext 1 RegisteredExtension",
            "ext.master_arbitration 2 MasterArbitration",
            "ext.history 3 History",
            "ext.commit 4 Commit",
            "ext.depth 5 Depth",
            "ext.config_subscription 6 ConfigSubscription",
        ),
        "RegisteredExtension": ("id 1 ExtensionID", "msg 2 bytes"),
        "MasterArbitration": ("role 1 Role", "election_id 2 Uint128"),
        "Uint128": ("high 1 uint64", "low 2 uint64"),
        "Role": ("id 1 string",),
        "History": ("request.snapshot_time 1 int64", "request.range 2 TimeRange"),
        "TimeRange": ("start 1 int64", "end 2 int64"),
        "Commit": (
            "id 1 string",
            "action.commit 2 CommitRequest",
            "action.confirm 3 CommitConfirm",
            "action.cancel 4 CommitCancel",
            "action.set_rollback_duration 5 CommitSetRollbackDuration",
        ),
        "CommitRequest": ("rollback_duration 1 google.protobuf.Duration",),
        "CommitConfirm": (),
        "CommitCancel": (),
        "CommitSetRollbackDuration": ("rollback_duration 1 google.protobuf.Duration",),
        "Depth": ("level 1 uint32",),
        "ConfigSubscription": (
            "action.start 1 ConfigSubscriptionStart",
            "action.sync_done 2 ConfigSubscriptionSyncDone",
        ),
        "ConfigSubscriptionStart": (),
        "ConfigSubscriptionSyncDone": (
            "commit_confirm_id 1 string",
            "server_commit_id 2 string",
            "done 3 bool",
        ),
    },
    enums={"ExtensionID": {"EID_UNSET": 0, "EID_EXPERIMENTAL": 999}},
)

_gnmi = Package(
    POOL,
    "github.com/openconfig/gnmi/proto/gnmi/gnmi.proto",
    "gnmi",
    imports=[
        "google/protobuf/any.proto",
        "github.com/openconfig/gnmi/proto/gnmi_ext/gnmi_ext.proto",
    ],
    messages={
        "Notification": (
            "timestamp 1 int64",
            "prefix 2 Path",
            "update 4 Update*",
            "delete 5 Path*",
            "atomic 6 bool",
        ),
        "Update": ("path 1 Path", "value 2 Value", "val 3 TypedValue", "duplicates 4 uint32"),
        "TypedValue": (
            "value.string_val 1 string",
            "value.int_val 2 int64",
            "value.uint_val 3 uint64",
            "value.bool_val 4 bool",
            "value.bytes_val 5 bytes",
            "value.float_val 6 float",
            "value.double_val 14 double",
            "value.decimal_val 7 Decimal64",
            "value.leaflist_val 8 ScalarArray",
            "value.any_val 9 google.protobuf.Any",
            "value.json_val 10 bytes",
            "value.json_ietf_val 11 bytes",
            "value.ascii_val 12 string",
            "value.proto_bytes 13 bytes",
        ),
        "Path": ("element 1 string*", "origin 2 string", "elem 3 PathElem*", "target 4 string"),
        "PathElem": ("name 1 string", "key 2 map"),
        "Value": ("value 1 bytes", "type 2 Encoding"),
        "Error": ("code 1 uint32", "message 2 string", "data 3 google.protobuf.Any"),
        "Decimal64": ("digits 1 int64", "precision 2 uint32"),
        "ScalarArray": ("element 1 TypedValue*",),
        "SubscribeRequest": (
            "request.subscribe 1 SubscriptionList",
            "request.poll 3 Poll",
            "extension 5 gnmi_ext.Extension*",
        ),
        "Poll": (),
        "SubscribeResponse": (
            "response.update 1 Notification",
            "response.sync_response 3 bool",
            "response.error 4 Error",
            "extension 5 gnmi_ext.Extension*",
        ),
        "SubscriptionList": (
            "prefix 1 Path",
            "subscription 2 Subscription*",
            "qos 4 QOSMarking",
            "mode 5 SubscriptionList.Mode",
            "allow_aggregation 6 bool",
            "use_models 7 ModelData*",
            "encoding 8 Encoding",
            "updates_only 9 bool",
        ),
        "Subscription": (
            "path 1 Path",
            "mode 2 SubscriptionMode",
            "sample_interval 3 uint64",
            "suppress_redundant 4 bool",
            "heartbeat_interval 5 uint64",
        ),
        "QOSMarking": ("marking 1 uint32",),
        "SetRequest": (
            "prefix 1 Path",
            "delete 2 Path*",
            "replace 3 Update*",
            "update 4 Update*",
            "union_replace 6 Update*",
            "extension 5 gnmi_ext.Extension*",
        ),
        "SetResponse": (
            "prefix 1 Path",
            "response 2 UpdateResult*",
            "message 3 Error",
            "timestamp 4 int64",
            "extension 5 gnmi_ext.Extension*",
        ),
        "UpdateResult": (
            "timestamp 1 int64",
            "path 2 Path",
            "message 3 Error",
            "op 4 UpdateResult.Operation",
        ),
        "GetRequest": (
            "prefix 1 Path",
            "path 2 Path*",
            "type 3 GetRequest.DataType",
            "encoding 5 Encoding",
            "use_models 6 ModelData*",
            "extension 7 gnmi_ext.Extension*",
        ),
        "GetResponse": (
            "notification 1 Notification*",
            "error 2 Error",
            "extension 3 gnmi_ext.Extension*",
        ),
        "CapabilityRequest": ("extension 1 gnmi_ext.Extension*",),
        "CapabilityResponse": (
            "supported_models 1 ModelData*",
            "supported_encodings 2 Encoding*",
            "gNMI_version 3 string",
            "extension 4 gnmi_ext.Extension*",
        ),
        "ModelData": ("name 1 string", "organization 2 string", "version 3 string"),
    },
    enums={
        "Encoding": _values(Encoding),
        "SubscriptionMode": _values(Mode),
        "SubscriptionList.Mode": _values(ListMode),
        "UpdateResult.Operation": _values(Operation),
        "GetRequest.DataType": _values(DataType),
    },
    services={
        "gNMI": (
            "Capabilities CapabilityRequest CapabilityResponse",
            "Get GetRequest GetResponse",
            "Set SetRequest SetResponse",
            "Subscribe SubscribeRequest* SubscribeResponse*",
        )
    },
)

Path: Final = _gnmi["Path"]
PathElem: Final = _gnmi["PathElem"]
TypedValue: Final = _gnmi["TypedValue"]
Update: Final = _gnmi["Update"]
Notification: Final = _gnmi["Notification"]
CapabilityRequest: Final = _gnmi["CapabilityRequest"]
CapabilityResponse: Final = _gnmi["CapabilityResponse"]
GetRequest: Final = _gnmi["GetRequest"]
GetResponse: Final = _gnmi["GetResponse"]
SetRequest: Final = _gnmi["SetRequest"]
SetResponse: Final = _gnmi["SetResponse"]
SubscribeRequest: Final = _gnmi["SubscribeRequest"]
SubscribeResponse: Final = _gnmi["SubscribeResponse"]
Extension: Final = _extensions["Extension"]

# -- google.rpc: what goes with a status

_status = Package(
    POOL,
    "google/rpc/status.proto",
    "google.rpc",
    imports=["google/protobuf/any.proto"],
    messages={"Status": ("code 1 int32", "message 2 string", "details 3 google.protobuf.Any*")},
)
_details = Package(
    POOL,
    "google/rpc/error_details.proto",
    "google.rpc",
    messages={
        "ErrorInfo": ("reason 1 string", "domain 2 string", "metadata 3 map"),
        "BadRequest": ("field_violations 1 BadRequest.FieldViolation*",),
        "BadRequest.FieldViolation": ("field 1 string", "description 2 string"),
        "PreconditionFailure": ("violations 1 PreconditionFailure.Violation*",),
        "PreconditionFailure.Violation": (
            "type 1 string",
            "subject 2 string",
            "description 3 string",
        ),
    },
)

Status: Final = _status["Status"]
ErrorInfo: Final = _details["ErrorInfo"]
BadRequest: Final = _details["BadRequest"]
PreconditionFailure: Final = _details["PreconditionFailure"]

# -- server reflection, which has the same messages in two packages

REFLECTION: Final = ("grpc.reflection.v1", "grpc.reflection.v1alpha")


def _reflection(package: str) -> Package:
    return Package(
        POOL,
        f"{package.replace('.', '/')}/reflection.proto",
        package,
        messages={
            "ServerReflectionRequest": (
                "host 1 string",
                "message_request.file_by_filename 3 string",
                "message_request.file_containing_symbol 4 string",
                "message_request.file_containing_extension 5 ExtensionRequest",
                "message_request.all_extension_numbers_of_type 6 string",
                "message_request.list_services 7 string",
            ),
            "ExtensionRequest": ("containing_type 1 string", "extension_number 2 int32"),
            "ServerReflectionResponse": (
                "valid_host 1 string",
                "original_request 2 ServerReflectionRequest",
                "message_response.file_descriptor_response 4 FileDescriptorResponse",
                "message_response.all_extension_numbers_response 5 ExtensionNumberResponse",
                "message_response.list_services_response 6 ListServiceResponse",
                "message_response.error_response 7 ErrorResponse",
            ),
            "FileDescriptorResponse": ("file_descriptor_proto 1 bytes*",),
            "ExtensionNumberResponse": ("base_type_name 1 string", "extension_number 2 int32*"),
            "ListServiceResponse": ("service 1 ServiceResponse*",),
            "ServiceResponse": ("name 1 string",),
            "ErrorResponse": ("error_code 1 int32", "error_message 2 string"),
        },
        services={
            "ServerReflection": (
                "ServerReflectionInfo ServerReflectionRequest* ServerReflectionResponse*",
            )
        },
    )


_reflections = {package: _reflection(package) for package in REFLECTION}
REFLECTION_MESSAGES: Final = {
    package: (made["ServerReflectionRequest"], made["ServerReflectionResponse"])
    for package, made in _reflections.items()
}
