"""Adapter to RecBole's sequential and general models, with the splits and validation of this benchmark."""
