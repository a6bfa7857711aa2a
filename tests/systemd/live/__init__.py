"""Bare Debian 12 machines with systemd as process 1, and ingest's whole life as a service on them.

`python -m tests.systemd.live` runs it by hand and prints what took how long; tests/systemd/test_live.py is the same as a test.
"""
