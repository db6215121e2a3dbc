"""Running of recipes: the plan, the executor, the workers and the result."""
