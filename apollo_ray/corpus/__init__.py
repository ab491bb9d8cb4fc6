"""Raw files in, clean documents or conversations out: read, normalise, tag the language, drop with a reason."""
