"""What rpm distributions say their updates fix: notices in their repositories, and changelogs."""
