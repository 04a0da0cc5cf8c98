"""What the distributions of apk say their updates fix: security databases, and when flaws were known."""
