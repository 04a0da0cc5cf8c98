"""Repositories of apk: configured, fetched, verified, parsed, chosen from."""
