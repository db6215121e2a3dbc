"""Values, errors, settings and words for all other packages. Imports none of them."""
