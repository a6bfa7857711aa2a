"""The Grafana dashboard as code (`python -m grafana.generate`), its alerts, and the runbook of the alerts."""
