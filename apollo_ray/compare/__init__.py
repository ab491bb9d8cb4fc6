"""Compare: models of one run side by side on the same items, each held against another, with paired intervals."""
