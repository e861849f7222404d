//! Secrets stay secret: the mask registry and the redactor every outbound text goes through.
