"""Moves data between Azure IoT Hub and Apache Kafka, both ways, from an edge node."""

__version__ = "0.2.0"
