"""OpenTelemetry: the finished traces of an instrumented program."""
