"""Images of apk: Alpine, Wolfi, Chainguard, and what is made of them."""
