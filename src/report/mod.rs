//! What people read: a pure view of a rollout, as Markdown and as plain text.
