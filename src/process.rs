//! Runs a program: arguments as a list, secrets over standard input, never through a shell.
