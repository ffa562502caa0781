"""Kith: raw customer interactions in, audited customer marts out."""
