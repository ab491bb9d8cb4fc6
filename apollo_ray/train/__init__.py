"""Ray Train with DeepSpeed ZeRO on a packed stream: checkpoints, exact resumption, export to safetensors."""
