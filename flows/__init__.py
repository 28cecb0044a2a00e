"""When things happen: one Prefect flow a file."""
