//! What a deployment to this service would run into, found without changing anything.

use std::collections::BTreeSet;

use super::AppRunnerTarget;
use crate::config::spec::CreateService;
use crate::engine::Examination;
use crate::engine::target::FailureKind;
use crate::problem::Problem;
use crate::targets::secrets;

impl AppRunnerTarget {
    pub(super) async fn examine_service(&self) -> Examination {
        // App Runner runs images of this platform only (App Runner developer guide, "Image-based service").
        let mut found = Examination { platform: Some("linux/amd64".to_owned()), ..Examination::default() };
        if let Err(error) = self.refuse_strategy() {
            found.failed(error);
        }
        let (service, operations) = match self.look(None).await {
            Ok(seen) => seen,
            Err(failure) if failure.kind == FailureKind::Missing && self.spec.create == CreateService::WhenMissing => {
                found.good(format!("service {} is not there and is created", self.spec.service));
                let named = self.spec.secrets.iter().map(|(name, from)| (name.clone(), from.clone())).collect();
                secrets::examine(&self.config, &named, &mut found).await;
                return found;
            }
            Err(failure) if failure.kind == FailureKind::Missing => {
                found.fails(
                    Problem::provider(
                        "service-not-found",
                        format!("there is no App Runner service {} in {}", self.spec.service, self.region),
                        "Check `service`, the region and the account; `aws apprunner list-services` shows what is there.",
                    )
                    .because(failure.message),
                );
                return found;
            }
            Err(failure) => {
                found.failed(failure.into());
                return found;
            }
        };
        let state = self.refuse_state(&service, &operations);
        if state.is_ok() {
            found.good(format!("service {} is there", service.name()));
        }
        if let Err(refused) = state {
            found.failed(refused);
        }
        if let Some(running) = operations.running() {
            found.warns(Problem::refused(
                "deployment-in-progress",
                format!("{} is under way; App Runner takes one at a time", running.words()),
                "Wait for its end; a deployment that begins now waits behind it, or is refused.",
            ));
        }
        let written = self.spec.secrets.iter().map(|(name, from)| (name.clone(), from.clone()));
        let kept = service.secrets().into_iter().filter(|(name, _)| !self.spec.secrets.contains_key(name));
        let named: BTreeSet<(String, String)> = written.chain(kept).collect();
        secrets::examine(&self.config, &named, &mut found).await;
        found
    }
}
