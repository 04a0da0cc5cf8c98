"""Images of apt: Debian, Ubuntu, and what is made of them."""
