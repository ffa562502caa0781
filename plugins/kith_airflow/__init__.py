"""All that knows Airflow: command line, home and server."""
