"""Tools to trust a policy: what is wrong in it, what its cases reach, why it decides so, and what it can never do."""
