"""Real Kafka, Elasticsearch and PostgreSQL on loopback, for tests and for one machine."""
