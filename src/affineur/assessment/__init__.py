"""The way of the data, put together once."""
