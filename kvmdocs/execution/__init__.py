"""Running recipes: the plan, the executor, and what comes of it."""
