"""The requests that commands make, whatever carries them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from lxml import etree

from flowexport_mgmt.cli.session.replies import NotReachedError, nc

MANAGEMENT: Final = "urn:flowexport:flow-export-management"
_MONITORING: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
_LIBRARY: Final = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
_LIBRARY_CAPABILITY: Final = "urn:ietf:params:netconf:capability:yang-library:1.1"
_ACTION: Final = "urn:ietf:params:xml:ns:yang:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """How to commit; ``confirmed`` is the time to confirm, in seconds."""

    comment: str = ""
    confirmed: int | None = None
    persist: str = ""
    persist_id: str = ""
    dry_run: bool = False


class Session(ABC):
    """One NETCONF session; use it in ``with``. Every method raises what :meth:`ask` raises."""

    place: str
    """Where the server is, for people."""
    identity: str = ""
    """The session-id."""
    capabilities: frozenset[str] = frozenset()

    @abstractmethod
    def ask(self, operation: etree._Element) -> etree._Element:
        """Have an operation carried out; return the rpc-reply.

        Raises:
            ManagementError: the server refused.
            NotReachedError: the connection broke, or no answer came in time.
        """

    @abstractmethod
    def is_alive(self) -> bool:
        """Tell whether the connection is there still, as far as is known without asking."""

    @abstractmethod
    def close(self) -> None:
        """End the session."""

    def __enter__(self) -> Self:
        """Give itself: it is open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the session."""
        self.close()

    @property
    def content_id(self) -> str:
        """What the hello says of the schema; empty when it says nothing."""
        for capability in self.capabilities:
            name, _, query = capability.partition("?")
            if name == _LIBRARY_CAPABILITY:
                return dict(part.partition("=")[::2] for part in query.split("&")).get(
                    "content-id", ""
                )
        return ""

    def get(self, filters: Iterable[etree._Element]) -> etree._Element:
        """Read configuration and state chosen by subtree filters; return the data element."""
        get = etree.Element(nc("get"))
        etree.SubElement(get, nc("filter"), type="subtree").extend(filters)
        return self._data(get)

    def get_config(
        self, store: str, filters: Iterable[etree._Element] | None = None
    ) -> etree._Element:
        """Read a configuration datastore, or what filters choose of it; return the data element."""
        get = etree.Element(nc("get-config"))
        _store(get, "source", store)
        if filters is not None:
            etree.SubElement(get, nc("filter"), type="subtree").extend(filters)
        return self._data(get)

    def edit(self, config: etree._Element, default: str = "merge") -> None:
        """Change the candidate, wholly or not at all; ``config`` is the config element."""
        edit = etree.Element(nc("edit-config"))
        _store(edit, "target", "candidate")
        etree.SubElement(edit, nc("default-operation")).text = default
        etree.SubElement(edit, nc("error-option")).text = "rollback-on-error"
        edit.append(config)
        self.ask(edit)

    def commit(self, how: Commit) -> etree._Element:
        """Make the candidate running, or with ``dry_run`` tell what that would change."""
        commit = etree.Element(nc("commit"))
        if how.confirmed is not None:
            etree.SubElement(commit, nc("confirmed"))
            if how.confirmed:
                etree.SubElement(commit, nc("confirm-timeout")).text = str(how.confirmed)
        for name, text in (("persist", how.persist), ("persist-id", how.persist_id)):
            if text:
                etree.SubElement(commit, nc(name)).text = text
        if how.comment:
            etree.SubElement(commit, f"{{{MANAGEMENT}}}comment").text = how.comment
        if how.dry_run:
            etree.SubElement(commit, f"{{{MANAGEMENT}}}dry-run")
        return self.ask(commit)

    def cancel_commit(self, persist_id: str = "") -> None:
        """Go back from a confirmed commit."""
        cancel = etree.Element(nc("cancel-commit"))
        if persist_id:
            etree.SubElement(cancel, nc("persist-id")).text = persist_id
        self.ask(cancel)

    def validate(self) -> None:
        """Check the candidate."""
        validate = etree.Element(nc("validate"))
        _store(validate, "source", "candidate")
        self.ask(validate)

    def discard(self) -> None:
        """Make the candidate equal to running."""
        self.ask(etree.Element(nc("discard-changes")))

    def lock(self, store: str) -> None:
        """Lock a datastore."""
        lock = etree.Element(nc("lock"))
        _store(lock, "target", store)
        self.ask(lock)

    def unlock(self, store: str) -> None:
        """Unlock a datastore."""
        unlock = etree.Element(nc("unlock"))
        _store(unlock, "target", store)
        self.ask(unlock)

    def rollback(self, number: int) -> None:
        """Make the candidate equal to a commit of the history."""
        self.call(MANAGEMENT, "rollback", {"id": str(number)})

    def compare(self, old: str, new: str) -> etree._Element:
        """Tell what differs between two configurations: datastores or numbers of commits."""
        return self.call(MANAGEMENT, "compare", {"from": old, "to": new})

    def call(
        self, namespace: str, name: str, parameters: Mapping[str, str | tuple[str, ...]]
    ) -> etree._Element:
        """Have an rpc of a module carried out; return the reply. A leaf-list has a tuple."""
        operation = etree.Element(f"{{{namespace}}}{name}")
        for leaf, values in parameters.items():
            for value in (values,) if isinstance(values, str) else values:
                etree.SubElement(operation, f"{{{namespace}}}{leaf}").text = value
        return self.ask(operation)

    def act(self, top: etree._Element) -> etree._Element:
        """Have the action that stands in a data tree carried out (RFC 7950, section 7.15)."""
        action = etree.Element(f"{{{_ACTION}}}action")
        action.append(top)
        return self.ask(action)

    def schema(self, name: str, revision: str) -> str:
        """Give the text of a YANG module."""
        get = etree.Element(f"{{{_MONITORING}}}get-schema")
        etree.SubElement(get, f"{{{_MONITORING}}}identifier").text = name
        if revision:
            etree.SubElement(get, f"{{{_MONITORING}}}version").text = revision
        return self.ask(get).findtext(f"{{{_MONITORING}}}data") or ""

    def library(self) -> etree._Element | None:
        """Read the list of modules (RFC 8525); None when the server has none."""
        return self.get([etree.Element(f"{{{_LIBRARY}}}yang-library")]).find(
            f"{{{_LIBRARY}}}yang-library"
        )

    def _data(self, operation: etree._Element) -> etree._Element:
        data = self.ask(operation).find(nc("data"))
        if data is None:
            raise NotReachedError(f"{self.place}: the reply holds no data")
        return data


def _store(parent: etree._Element, role: str, name: str) -> None:
    etree.SubElement(etree.SubElement(parent, nc(role)), nc(name))
