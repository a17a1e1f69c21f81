"""Area, power, energy, cycles: what an integer graph costs on hardware, each figure with its source."""
