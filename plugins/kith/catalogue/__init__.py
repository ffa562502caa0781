"""What a reader of the marts looks up: lineage, metrics, dictionary, documentation."""
