"""sFlow version 5 (sflow.org, sFlow Version 5, July 2004): encoder and strict decoder."""

from flowexport_mgmt.wire.sflow5.decode import Decoder
from flowexport_mgmt.wire.sflow5.encode import encode_counter_samples

__all__ = ["Decoder", "encode_counter_samples"]
