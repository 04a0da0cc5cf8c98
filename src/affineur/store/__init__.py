"""What is remembered between runs: facts, feeds, dates."""
