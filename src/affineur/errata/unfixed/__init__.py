"""Known flaws without a fix, and what vendors say of them."""
