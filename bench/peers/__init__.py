"""Minimal programs that move a partition's events into Kafka on the stock clients of other languages."""
