"""The HTTP endpoint: questions in, decisions out, through the same lanes as the queue's events."""
