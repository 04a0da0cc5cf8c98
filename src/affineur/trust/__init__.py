"""Judgement; pure: no clock, no network, no files."""
