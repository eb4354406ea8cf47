"""Transport stage: Kafka, SQLite and memory behind one port: polls records, publishes decisions, commits offsets."""
