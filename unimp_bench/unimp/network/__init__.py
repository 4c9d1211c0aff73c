"""What is trained: picture encoder, resampler, cross-attention and decoder (sections 2.2 and 2.3 of the paper)."""
