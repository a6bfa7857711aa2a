"""`ingest replay`: brings the events of a stretch of time from the hub into a topic again."""
