//! The container action: inputs, outputs, annotations, cancellation.
