"""Labelled texts: what documents are, and a reader for every data set and format they come in."""
