"""Tables: the rows of files, archives and data sets of the hub, and the values of their columns."""
