"""Look from outside, without Airflow: is what readers have fresh and whole?"""
