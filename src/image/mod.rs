//! The image pipeline: login, build, tags, push, promote by digest.
