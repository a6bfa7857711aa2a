"""Several nodes that share partitions, simulated: how long which event leaves partitions unread, and what coordination costs."""
