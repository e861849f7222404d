//! `shipline build`: the images of a commit, built or found, without deploying them.

use std::fmt::Write as _;

use serde_json::json;

use super::deploy::Request;
use super::environment;
use super::host::Host;
use super::recorder::Recorder;
use super::release::{self, Images};
use crate::problem::Problems;

/// Makes sure the images are there and names them.
pub(super) async fn build(request: &Request, host: &Host, recorder: &Recorder) -> Result<Images, Problems> {
    let spec = environment::find(&request.config, &request.environment)?;
    let services = environment::chosen(&request.environment, spec, &request.services)?;
    release::possible(request, &services)?;
    let (_, images) = release::gather(request, spec, &services, host, recorder).await?;
    let mut text = String::new();
    let mut document = Vec::new();
    for (name, (image, commit)) in &images.pinned {
        let (origin, tags) = &images.origins[name];
        let _ = writeln!(text, "{name} {image}");
        document.push(json!({
            "service": name, "image": image, "digest": image.digest(), "commit": commit, "tags": tags, "origin": origin,
        }));
    }
    host.console.answer(&text);
    host.console.document(&json!({ "schema_version": 1, "command": "build", "images": document }));
    Ok(images)
}
