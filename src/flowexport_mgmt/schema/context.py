"""The one libyang context: which modules, with which features, from where."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import libyang

_PACKAGE = Path(__file__).resolve().parent.parent


def module_folders() -> tuple[Path, ...]:
    """Find the folders of YANG modules: our own, then those that come with pyang."""
    data = Path(sysconfig.get_path("data")) / "share"
    own = (_PACKAGE.parent.parent / "yang", data / "flowexport-mgmt" / "yang")
    installed = (data / "yang" / "modules" / "ietf", data / "yang" / "modules" / "iana")
    return tuple(folder for folder in own + installed if folder.is_dir())


class SchemaContext:
    """A libyang context with every module that the daemon implements."""

    def __init__(self) -> None:
        libyang.configure_logging(True)
        self.context = libyang.Context(":".join(map(str, module_folders())))
        self._load_interfaces()
        for name in ("iana-if-type", "flow-export-types", "flow-export", "flow-export-server",
                     "flow-export-deviations"):
            self.context.load_module(name)

    def _load_interfaces(self) -> None:
        """Load ietf-interfaces with the config statement of its container spelled out.

        Our deviation replaces that statement, and libyang replaces only what is spelled out; RFC
        7950 (section 7.21.1) makes ``config true`` the meaning of its absence.
        """
        path = next(p for f in module_folders() for p in f.glob("ietf-interfaces.yang"))
        text = path.read_text(encoding="utf-8")
        spelled = text.replace("container interfaces {", "container interfaces { config true;", 1)
        self.context.parse_module_str(spelled)
