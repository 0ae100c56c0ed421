"""NetFlow v5: encoder and strict decoder."""

from flowexport_mgmt.wire.netflow5.decode import Decoder
from flowexport_mgmt.wire.netflow5.encode import MAX_SAMPLING_RATE, encode_flows

__all__ = ["MAX_SAMPLING_RATE", "Decoder", "encode_flows"]
