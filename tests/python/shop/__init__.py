"""A program of more than one file, whose objects are pickled: see program.py."""
