"""How fast it is: measured against floors of the same run, the sums checked. `make bench`."""
