"""The owner: one background process per home that serves every door over a unix socket."""
