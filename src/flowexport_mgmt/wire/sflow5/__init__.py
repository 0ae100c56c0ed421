"""sFlow version 5 (sflow.org, sFlow Version 5, July 2004): encoder and strict decoder."""

from flowexport_mgmt.wire.sflow5.decode import Decoder
from flowexport_mgmt.wire.sflow5.encode import encode_counter_samples
from flowexport_mgmt.wire.sflow5.flow_samples import encode_flow_samples
from flowexport_mgmt.wire.sflow5.hosts import encode_host_counters
from flowexport_mgmt.wire.sflow5.sequences import SampleSequences

__all__ = [
    "Decoder",
    "SampleSequences",
    "encode_counter_samples",
    "encode_flow_samples",
    "encode_host_counters",
]
