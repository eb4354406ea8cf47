"""The console: pages for policy authors, reviewers and whoever is on call, over the same engine and the same store."""
