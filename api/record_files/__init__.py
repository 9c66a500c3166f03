"""Files of records about phone numbers, suppressions and consents: how they are read, and how they are imported."""
