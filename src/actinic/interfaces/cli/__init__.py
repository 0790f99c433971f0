"""The command line: a verb parses, calls one function of `actinic.jobs` and says what came out."""
