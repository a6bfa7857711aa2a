"""`ingest doctor`: every dependency tried, one line each, with the fix.

Each part has an ask (a thin shell that tries something) and a judge (a pure function from what was seen to a verdict).
"""
