"""`ingest doctor`: tries every dependency, and prints one line each, with the fix.

Each part has an ask (a thin shell that tries something) and a judge (a pure function from its result to a verdict).
"""
