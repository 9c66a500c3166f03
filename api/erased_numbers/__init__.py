"""Numbers that were erased: their keyed hashes, by which suppressions and consents find a number that comes again."""
