"""The configuration that a command line stands for."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flowexport_mgmt.cli.sim.arguments import Options
from flowexport_mgmt.simulator.roles import ROLES

_GROUP: Final = "auto"
_FAMILIES: Final = ("ssh-", "ecdsa-", "sk-")


@dataclass(frozen=True, slots=True)
class Login:
    """Who may log in: by a password that is drawn for each run, or by OpenSSH public keys."""

    name: str
    password: str
    keys: tuple[str, ...] = ()


def make_login(home: Path) -> Login:
    """Let whoever runs the program log in."""
    return Login(getpass.getuser(), secrets.token_urlsafe(12), tuple(find_keys(home)))


def write_document(options: Options, login: Login | None = None) -> dict[str, Any]:
    """Write the first configuration."""
    return {
        "flow-export-simulation:simulation": _simulation(options),
        "flow-export-server:server": _server(options, login),
    }


def _simulation(options: Options) -> dict[str, Any]:
    return _given(
        {
            "source-per-device": options.source_per_device,
            "network-namespace": options.network_namespace,
            "tick-interval": options.tick_ms,
            "template-interval": None
            if options.template_ms is None
            else max(1, options.template_ms // 1000),
            "seed": None if options.seed is None else str(options.seed),
            "rate-limit": options.rate_limit,
            "max-datagram-size": options.max_datagram,
            "device-group": None if options.start is None else [_group(options)],
        }
    )


def _group(options: Options) -> dict[str, Any]:
    role = options.role
    return _given(
        {
            "name": _GROUP,
            "start-address": str(options.start),
            "count": options.count,
            "prefix-length": options.netmask,
            "role": role if role in ROLES else None,
            "resource": role if role not in ROLES else None,
            "flow": None if options.collector is None else _flow(options),
        }
    )


def _flow(options: Options) -> dict[str, Any]:
    flow = {
        "collector-address": options.collector and options.collector.address,
        "collector-port": options.collector and options.collector.port,
        "protocol": options.protocol.value,
        "active-timeout": options.active_ms,
        "inactive-timeout": options.inactive_ms,
        "record-format": options.record_format,
        "sub-agent-id": options.sub_agent_id or None,
    }
    return _given(flow)


def _server(options: Options, login: Login | None) -> dict[str, Any]:
    server: dict[str, Any] = {
        "netconf": {"ssh": _door(options.netconf_port)},
        "gnmi": _door(options.gnmi_port),
        "http": {"port": options.port, "simulator-api": True},
    }
    if login is not None:
        user = {"name": login.name, "password-hash": f"$0${login.password}"}
        server["user"] = [{**user, "authorized-key": list(login.keys)} if login.keys else user]
    return server


def _door(port: int | None) -> dict[str, Any]:
    return _given({"enabled": port is not None, "port": port})


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def find_keys(home: Path) -> list[str]:
    """Find the public keys of whoever runs the program, who may log in with them."""
    lines = []
    for path in sorted((home / ".ssh").glob("id_*.pub")):
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError):
            continue
        if text.startswith(_FAMILIES) and "\n" not in text:
            lines.append(text)
    return lines
