//! `shipline status`: what runs where, and what a rollback would put there.

use std::fmt::Write as _;

use futures_util::future::join_all;
use serde_json::json;

use super::deploy::Request;
use super::host::Host;
use super::{environment, planning};
use crate::config::spec::EnvironmentSpec;
use crate::engine::Past;
use crate::problem::{Problem, Problems};
use crate::report::escape::visible;
use crate::rollout::{Revision, TargetPlace};
use crate::types::{EnvironmentName, ServiceName};

/// One service's answer.
struct Row {
    environment: EnvironmentName,
    service: ServiceName,
    place: TargetPlace,
    past: Result<Past, Problem>,
}

/// Shows every service of these environments. Exit code 4 when one could not be asked.
pub(super) async fn status(request: &Request, environments: &[EnvironmentName], host: &Host) -> Result<u8, Problems> {
    // One environment that cannot be opened must not hide the others.
    let asked = join_all(environments.iter().map(async |name| (name, look(request, name, host).await))).await;
    let mut rows = Vec::new();
    let mut exit_code = 0;
    let mut document = Vec::new();
    for (name, answer) in asked {
        match answer {
            Ok(found) => rows.extend(found),
            Err(problems) => {
                exit_code = problems.exit_code();
                host.console.problems(&problems);
                document.push(json!({ "environment": name, "problems": problems }));
            }
        }
    }
    let mut text = String::new();
    for row in &rows {
        match &row.past {
            Ok(past) => {
                text.push_str(&shown(row, past));
                document.push(json!({
                    "environment": row.environment,
                    "service": row.service,
                    "target": row.place.name,
                    "live": told(&past.live),
                    "good": past.good.iter().map(|good| told(&good.revision)).collect::<Vec<_>>(),
                    "notices": past.notices,
                }));
            }
            Err(problem) => {
                exit_code = problem.exit_code();
                host.console.problems(&Problems::from(problem.clone()));
                document.push(json!({ "environment": row.environment, "service": row.service, "problem": problem }));
            }
        }
    }
    host.console.answer(&text);
    host.console.document(&json!({ "schema_version": 1, "command": "status", "services": document }));
    Ok(exit_code)
}

async fn look(request: &Request, name: &EnvironmentName, host: &Host) -> Result<Vec<Row>, Problems> {
    let spec: &EnvironmentSpec = environment::find(&request.config, name)?;
    let services = environment::chosen(name, spec, &request.services)?;
    let untouched = environment::Images::Untouched;
    let (_, targets) = environment::places(request, name, spec, &services, untouched, host).await?;
    let asked = targets.iter().map(async |(service, target)| Row {
        environment: name.clone(),
        service: service.clone(),
        place: target.place(),
        past: target.past().await.map_err(|error| planning::about(service, error.into())),
    });
    Ok(join_all(asked).await)
}

fn told(revision: &Revision) -> serde_json::Value {
    json!({ "revision": revision.id, "name": revision.name, "image": revision.image_text, "commit": revision.commit })
}

fn shown(row: &Row, past: &Past) -> String {
    let commit = past.live.commit.map(|commit| format!(" commit {}", commit.short())).unwrap_or_default();
    let back = match past.good.first() {
        Some(good) => format!("a rollback puts {} there", good.revision.name),
        None => "no earlier good release is known".to_owned(),
    };
    let mut text = format!(
        "{} {} ({}): {}{commit}\n    image {}\n    {back}\n",
        row.environment,
        row.service,
        row.place.name,
        past.live.name,
        visible(&past.live.image_text)
    );
    for notice in &past.notices {
        let _ = writeln!(text, "    note: {}", visible(notice));
    }
    text
}
