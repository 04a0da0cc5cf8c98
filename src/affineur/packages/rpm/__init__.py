"""rpm's database, in each of its formats, and the headers that it holds."""
