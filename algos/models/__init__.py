"""Networks that `algos.training` trains; importing one needs torch."""
