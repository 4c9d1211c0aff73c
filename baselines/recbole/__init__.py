"""RecBole's sequential and general models on our splits, under our validation."""
