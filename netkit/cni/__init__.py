"""The CNI front end: standard library only, and little of it, until the input is known to be valid."""
