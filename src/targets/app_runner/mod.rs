//! App Runner services that run an image.
