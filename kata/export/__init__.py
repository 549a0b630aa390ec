"""What course platforms take: an autograder for Gradescope, a workflow for GitHub; each for exercises that are here."""
