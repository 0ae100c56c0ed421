"""What may follow a command after a pipe."""
