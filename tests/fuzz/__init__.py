"""Open-ended fuzzing, for those who have atheris: nothing here runs with the other tests."""
