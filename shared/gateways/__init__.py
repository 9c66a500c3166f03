"""The contracts of providers: one adapter a file. Pure: no adapter uses a socket, a clock or the database."""
