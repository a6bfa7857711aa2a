"""Two topics with records of the same events, compared: the proof with which one leaves the old connector."""
