"""What the authors of exercises use: `kata dev new` writes one to start from, `kata dev check` proves it."""
