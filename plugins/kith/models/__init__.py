"""Pure functions over Arrow and numpy that dbt's Python models call."""
