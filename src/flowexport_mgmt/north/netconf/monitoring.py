"""The state of the NETCONF server as ietf-netconf-monitoring shows it (RFC 6022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flowexport_mgmt.datastore import Datastore, Session, Store
from flowexport_mgmt.north.netconf.statistics import Statistics
from flowexport_mgmt.schema.context import ModuleInfo

_TRANSPORTS: Final = {
    "netconf-ssh": "ietf-netconf-monitoring:netconf-ssh",
    "netconf-tls": "ietf-netconf-monitoring:netconf-tls",
    "netconf-unix": "flow-export-server:netconf-unix",
}

_Object = dict[str, Any]


class Monitoring:
    """Reports netconf-state."""

    paths = ("/netconf-state",)

    def __init__(
        self,
        datastore: Datastore,
        statistics: Statistics,
        capabilities: Sequence[str],
        modules: Sequence[ModuleInfo],
    ) -> None:
        self._datastore = datastore
        self._statistics = statistics
        self._capabilities = list(capabilities)
        self._schemas = [_schema(module) for module in modules]

    async def state(self, _: Sequence[str]) -> Mapping[str, _Object]:
        """Report all of it."""
        sessions = [s for s in self._datastore.sessions if s.door in _TRANSPORTS]
        node: _Object = {
            "capabilities": {"capability": self._capabilities},
            "datastores": {"datastore": [self._store(store) for store in Store]},
            "schemas": {"schema": self._schemas},
            "statistics": self._counters(),
        }
        if sessions:
            node["sessions"] = {"session": [_session(session) for session in sessions]}
        return {"ietf-netconf-monitoring:netconf-state": node}

    def _store(self, store: Store) -> _Object:
        entry: _Object = {"name": str(store)}
        lock = self._datastore.lock_of(store)
        if lock is not None:
            entry["locks"] = {
                "global-lock": {"locked-by-session": lock.session.id, "locked-time": lock.since}
            }
        return entry

    def _counters(self) -> _Object:
        counted = self._statistics
        return {
            "netconf-start-time": counted.started,
            "in-bad-hellos": _counter32(counted.in_bad_hellos),
            "in-sessions": _counter32(counted.in_sessions),
            "dropped-sessions": _counter32(counted.dropped_sessions),
            "in-rpcs": _counter32(counted.in_rpcs),
            "in-bad-rpcs": _counter32(counted.in_bad_rpcs),
            "out-rpc-errors": _counter32(counted.out_rpc_errors),
            "out-notifications": _counter32(counted.out_notifications),
        }


def _session(session: Session) -> _Object:
    return {
        "session-id": session.id,
        "transport": _TRANSPORTS[session.door],
        "username": session.user,
        "login-time": session.since,
        "in-rpcs": _counter32(session.in_rpcs),
        "in-bad-rpcs": _counter32(session.in_bad_rpcs),
        "out-rpc-errors": _counter32(session.out_rpc_errors),
        "out-notifications": _counter32(session.out_notifications),
    } | ({"source-host": host} if (host := source_host(session.source)) else {})


def source_host(source: str) -> str:
    """Give the address of a session that came over the network; empty for any other."""
    return source.rpartition(":")[0].strip("[]")


def _schema(module: ModuleInfo) -> _Object:
    return {
        "identifier": module.name,
        "version": module.revision,
        "format": "ietf-netconf-monitoring:yang",
        "namespace": module.namespace,
        "location": ["NETCONF"],
    }


def _counter32(value: int) -> int:
    return value & 0xFFFFFFFF
