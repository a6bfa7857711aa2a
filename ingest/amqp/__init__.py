"""AMQP 1.0 without I/O: types, frames and messages as bytes, both ways."""
