"""The version of fastgd. It stands below all modules that ask for it."""

__version__ = "0.1.0"
