"""What containers' own files say: where an image is asked for, how, and with which certificates."""
