"""The rows of the dashboard, one per file: a TITLE, and PANELS from left to right."""
