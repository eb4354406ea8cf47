"""Quality: attacks, labelled events, figures with their intervals, and the report of them."""
