"""Who may do what: the access control model of RFC 8341, for every door."""

from flowexport_mgmt.datastore.access.control import AccessControl
from flowexport_mgmt.datastore.access.first import with_first_access

__all__ = ["AccessControl", "with_first_access"]
