"""gNMI: the gRPC Network Management Interface, version 0.10."""
