"""What it costs, each figure beside a baseline measured in the same run."""

import os

# What is installed was compiled when it was installed; so the engine is compared as it is when Python may compile it, too.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
