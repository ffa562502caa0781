"""Watch for crises: spikes of complaints and mentions, between the daily runs."""
