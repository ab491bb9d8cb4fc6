"""One self-contained HTML page for a run and its terminal tables, from the store's manifests and rows alone."""
