"""The Bayesian strategy: a Gaussian process on what was observed, expected improvement on it."""
