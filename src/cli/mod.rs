//! The command line: one file a verb. The action runs the same verbs.
