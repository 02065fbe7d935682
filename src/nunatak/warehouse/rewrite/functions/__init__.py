"""Rules for functions, by what they compute."""
