"""The whole system under faults for minutes: what it loses, what it leaks, what it says."""
