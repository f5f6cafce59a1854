"""The report: what a results folder holds, as one page, its gallery, tables and figures. No torch."""
