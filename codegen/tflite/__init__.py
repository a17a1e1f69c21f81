"""TFLite files: the schema as plain data, and one converter an operator."""
