"""The audit: the log is scored again, and topics and store are compared with what comes out. docs/verify.md."""
