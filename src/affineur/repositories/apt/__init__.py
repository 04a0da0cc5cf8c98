"""apt's repositories, as apt reads them: what the image would be offered, and what its distribution has published."""
