"""What people and programs call Actinic through: the command line, plots and the report."""
