"""Which links come next: examples, classifier, simple scores beside it, and a fresh training for every step."""
