"""What exporting takes, looked at piece by piece, with the command that mends what is wrong."""

from flowexport_mgmt.runtime.doctor.diagnosis import Evidence, diagnose
from flowexport_mgmt.runtime.doctor.facts import HostFacts, read_facts

__all__ = ["Evidence", "HostFacts", "diagnose", "read_facts"]
