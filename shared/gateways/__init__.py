"""The contracts of providers: one adapter a file. Pure: no adapter knows a socket, a clock or the database."""
