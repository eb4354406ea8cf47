"""Guard models: language models that read a policy and a content, and are scored in one forward."""
