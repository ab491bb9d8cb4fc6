"""One priority-ordered stream of pre-training and instruction examples, tokenised and packed."""
