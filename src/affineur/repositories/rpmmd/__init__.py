"""What rpm-md repositories offer, as dnf, yum and zypper would take it."""
