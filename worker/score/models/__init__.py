"""One file a model, each behind the scorer or extractor port."""
