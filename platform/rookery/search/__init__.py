"""Search: a YAML space, Ray Tune for the workers, one Optuna study as the only source of truth."""
