"""`streamer chaos`: real servers, real processes, faults made on purpose, and every note accounted for.

bed        servers and nodes that rows share          rows      what can be run, one function a fault
trial      one row being run: notes, faults, waits    account   lost, doubled, out of order: the sums
canaries   strings that must not leave the service    report    the table: terminal, Markdown, JSON, HTML
"""
