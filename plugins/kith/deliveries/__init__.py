"""What lies between the stages on disk: raw and admitted deliveries."""
