"""Compressed and archived bytes as bounded iterators."""
