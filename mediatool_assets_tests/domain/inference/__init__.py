"""Inference: names, references, shapes and what is written of them."""
