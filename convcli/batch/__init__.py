"""Filter the pictures of a folder: list them, filter them in parallel, write a report, resume an earlier run."""
