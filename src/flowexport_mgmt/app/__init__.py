"""The programs: supervision, the broker of sockets, the children, signals and exit codes."""
