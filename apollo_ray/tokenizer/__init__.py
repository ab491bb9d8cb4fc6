"""A byte-level BPE tokenizer from a run's own text, for models that start from nothing."""
