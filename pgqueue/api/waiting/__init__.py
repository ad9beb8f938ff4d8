"""Requests that wait: one connection hears the notifications of the database for all of them."""
