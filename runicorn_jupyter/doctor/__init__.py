"""``jupyter runicorn doctor``: says what is there and tries, step by step, what connecting to a host does."""
