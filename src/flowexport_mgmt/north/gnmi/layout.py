"""The messages of gNMI 0.10 as data: the fields, their numbers and their types.

One line per field: name, number, type; ``*`` before a type repeats the field, ``name/`` before a
field's name puts it into that oneof, and ``map<key,value>`` is a map. Types without a dot are of
the same package. Deprecated fields are here as well, since old clients send them.

Reference: gNMI specification 0.10.0; gNMI extensions: commit-confirmed, master arbitration, depth.
"""

from __future__ import annotations

from typing import Final

Fields = str
Enumerators = dict[str, int]

EXTENSION_MESSAGES: Final[dict[str, Fields]] = {
    "Extension": """
        ext/registered_ext 1 RegisteredExtension
        ext/master_arbitration 2 MasterArbitration
        ext/history 3 History
        ext/commit 4 Commit
        ext/depth 5 Depth
    """,
    "RegisteredExtension": "id 1 ExtensionID\n msg 2 bytes",
    "MasterArbitration": "role 1 Role\n election_id 2 Uint128",
    "Uint128": "high 1 uint64\n low 2 uint64",
    "Role": "id 1 string",
    "History": "request/snapshot_time 1 int64\n request/range 2 TimeRange",
    "TimeRange": "start 1 int64\n end 2 int64",
    "Commit": """
        id 1 string
        action/commit 2 CommitRequest
        action/confirm 3 CommitConfirm
        action/cancel 4 CommitCancel
        action/set_rollback_duration 5 CommitSetRollbackDuration
    """,
    "CommitRequest": "rollback_duration 1 google.protobuf.Duration",
    "CommitConfirm": "",
    "CommitCancel": "",
    "CommitSetRollbackDuration": "rollback_duration 1 google.protobuf.Duration",
    "Depth": "level 1 uint32",
}
EXTENSION_ENUMS: Final[dict[str, Enumerators]] = {
    "ExtensionID": {"EID_UNSET": 0, "EID_EXPERIMENTAL": 999},
}

MESSAGES: Final[dict[str, Fields]] = {
    "Notification": """
        timestamp 1 int64
        prefix 2 Path
        update 4 *Update
        delete 5 *Path
        atomic 6 bool
    """,
    "Update": "path 1 Path\n value 2 Value\n val 3 TypedValue\n duplicates 4 uint32",
    "TypedValue": """
        value/string_val 1 string
        value/int_val 2 int64
        value/uint_val 3 uint64
        value/bool_val 4 bool
        value/bytes_val 5 bytes
        value/float_val 6 float
        value/decimal_val 7 Decimal64
        value/leaflist_val 8 ScalarArray
        value/any_val 9 google.protobuf.Any
        value/json_val 10 bytes
        value/json_ietf_val 11 bytes
        value/ascii_val 12 string
        value/proto_bytes 13 bytes
        value/double_val 14 double
    """,
    "Value": "value 1 bytes\n type 2 Encoding",
    "Error": "code 1 uint32\n message 2 string\n data 3 google.protobuf.Any",
    "Decimal64": "digits 1 int64\n precision 2 uint32",
    "ScalarArray": "element 1 *TypedValue",
    "Path": "element 1 *string\n origin 2 string\n elem 3 *PathElem\n target 4 string",
    "PathElem": "name 1 string\n key 2 map<string,string>",
    "ModelData": "name 1 string\n organization 2 string\n version 3 string",
    "CapabilityRequest": "extension 1 *gnmi_ext.Extension",
    "CapabilityResponse": """
        supported_models 1 *ModelData
        supported_encodings 2 *Encoding
        gNMI_version 3 string
        extension 4 *gnmi_ext.Extension
    """,
    "GetRequest": """
        prefix 1 Path
        path 2 *Path
        type 3 GetRequest.DataType
        encoding 5 Encoding
        use_models 6 *ModelData
        extension 7 *gnmi_ext.Extension
    """,
    "GetResponse": "notification 1 *Notification\n error 2 Error\n extension 3 *gnmi_ext.Extension",
    "SetRequest": """
        prefix 1 Path
        delete 2 *Path
        replace 3 *Update
        update 4 *Update
        extension 5 *gnmi_ext.Extension
        union_replace 6 *Update
    """,
    "SetResponse": """
        prefix 1 Path
        response 2 *UpdateResult
        message 3 Error
        timestamp 4 int64
        extension 5 *gnmi_ext.Extension
    """,
    "UpdateResult": "timestamp 1 int64\n path 2 Path\n message 3 Error\n op 4 UpdateResult.Operation",
    "SubscribeRequest": """
        request/subscribe 1 SubscriptionList
        request/poll 3 Poll
        extension 5 *gnmi_ext.Extension
    """,
    "Poll": "",
    "SubscribeResponse": """
        response/update 1 Notification
        response/sync_response 3 bool
        response/error 4 Error
        extension 5 *gnmi_ext.Extension
    """,
    "SubscriptionList": """
        prefix 1 Path
        subscription 2 *Subscription
        qos 4 QOSMarking
        mode 5 SubscriptionList.Mode
        allow_aggregation 6 bool
        use_models 7 *ModelData
        encoding 8 Encoding
        updates_only 9 bool
    """,
    "Subscription": """
        path 1 Path
        mode 2 SubscriptionMode
        sample_interval 3 uint64
        suppress_redundant 4 bool
        heartbeat_interval 5 uint64
    """,
    "QOSMarking": "marking 1 uint32",
}
ENUMS: Final[dict[str, Enumerators]] = {
    "Encoding": {"JSON": 0, "BYTES": 1, "PROTO": 2, "ASCII": 3, "JSON_IETF": 4},
    "SubscriptionMode": {"TARGET_DEFINED": 0, "ON_CHANGE": 1, "SAMPLE": 2},
    "GetRequest.DataType": {"ALL": 0, "CONFIG": 1, "STATE": 2, "OPERATIONAL": 3},
    "UpdateResult.Operation": {
        "INVALID": 0,
        "DELETE": 1,
        "REPLACE": 2,
        "UPDATE": 3,
        "UNION_REPLACE": 4,
    },
    "SubscriptionList.Mode": {"STREAM": 0, "ONCE": 1, "POLL": 2},
}

METHODS: Final = {
    "Capabilities": ("CapabilityRequest", "CapabilityResponse"),
    "Get": ("GetRequest", "GetResponse"),
    "Set": ("SetRequest", "SetResponse"),
    "Subscribe": ("SubscribeRequest", "SubscribeResponse"),
}
"""Of the service gnmi.gNMI: request and response; those of Subscribe are streams."""
