"""From sources to exporters: bounded queues, pacing and drop counters."""
