//! Which address is which operation.

use super::apps::Caller;
use super::entry::{Ask, listed, number};
use super::{GitHub, missing, refused};
use crate::server::Reply;
use serde_json::Value;

impl GitHub {
    pub(super) fn route(&mut self, ask: &Ask<'_>, parts: &[&str]) -> Reply {
        let found = match parts {
            ["graphql"] => Ok(self.graphql(ask)),
            ["user"] if ask.method == "GET" => match ask.caller {
                Caller::Person(id) => Ok(self.signed_in(id)),
                Caller::Stranger => Err(refused(401, "Bad credentials")),
                Caller::App(_) | Caller::Installation(_) => Err(refused(403, "Resource not accessible by integration")),
            },
            ["app", rest @ ..] => self.route_app(ask, rest),
            ["orgs", organisation, "teams", slug, "memberships", login] => {
                self.team_membership(ask, organisation, slug, login)
            }
            ["rate_limit"] if ask.method == "GET" => Ok(Reply::json(200, &self.limits.overview(&ask.caller, ask.real))),
            ["installation", "repositories"] => self.installed_repositories(ask),
            ["repos", owner, name, "installation"] if ask.method == "GET" => match ask.caller {
                Caller::App(app) => Ok(self.installation_of(app, &format!("{owner}/{name}"))),
                _ => Err(refused(401, "A JSON web token could not be decoded")),
            },
            ["repositories", id, rest @ ..] => {
                let named = number(id).and_then(|id| self.numbered(id).ok_or_else(missing));
                let admitted = named.and_then(|full| self.admit(&ask.caller, &full, ask.method, rest).map(|()| full));
                admitted.and_then(|full| self.route_repository(ask, &full, rest))
            }
            ["repos", owner, name, rest @ ..] => {
                let full = self.full_name(&format!("{owner}/{name}"));
                if let Some(id) = self.former.get(&full).filter(|_| !self.repositories.contains_key(&full)) {
                    return self.elsewhere(ask, *id, rest);
                }
                match self.admit(&ask.caller, &full, ask.method, rest) {
                    Ok(()) => self.route_repository(ask, &full, rest),
                    Err(refusal) => Err(refusal),
                }
            }
            _ => Err(missing()),
        };
        found.unwrap_or_else(|refusal| refusal)
    }

    /// The name of a repository today.
    pub(super) fn numbered(&self, id: u64) -> Option<String> {
        self.repositories.iter().find(|(_, known)| known.id == id).map(|(full, _)| full.clone())
    }

    /// A repository that was renamed is found by its number.
    fn elsewhere(&self, ask: &Ask<'_>, id: u64, rest: &[&str]) -> Reply {
        let below = if rest.is_empty() { String::new() } else { format!("/{}", rest.join("/")) };
        let asked: Vec<String> = ask.form.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = if asked.is_empty() { String::new() } else { format!("?{}", asked.join("&")) };
        let to = format!("{}/repositories/{id}{below}{query}", self.base);
        let (status, words) =
            if ask.method == "GET" { (301, "Moved Permanently") } else { (307, "Temporary Redirect") };
        Reply::json(status, &serde_json::json!({"message": words, "url": to})).with_header("location", &to)
    }

    /// GitHub does not mind upper and lower case in names.
    fn full_name(&self, asked: &str) -> String {
        let known = self.repositories.keys().find(|known| known.eq_ignore_ascii_case(asked));
        known.cloned().unwrap_or_else(|| asked.to_owned())
    }

    fn route_app(&mut self, ask: &Ask<'_>, rest: &[&str]) -> Result<Reply, Reply> {
        let Caller::App(app) = ask.caller else {
            return Err(refused(401, "A JSON web token could not be decoded"));
        };
        Ok(match (ask.method, rest) {
            ("GET", []) => Reply::json(200, &self.own_app(app)),
            ("GET", ["installations"]) => {
                let own = self.apps.installations.iter().filter(|installation| installation.app == app);
                let all: Vec<Value> = own.map(|installation| self.installation_document(installation.id)).collect();
                listed(&all, ask, &self.base)
            }
            ("GET", ["installations", id]) => {
                let id = number(id)?;
                let own = self.apps.installation(id).is_some_and(|installation| installation.app == app);
                if own { Reply::json(200, &self.installation_document(id)) } else { missing() }
            }
            ("POST", ["installations", id, "access_tokens"]) => self.new_token(app, number(id)?, ask.body, ask.now),
            ("GET", ["hook", "config"]) => self.hook_config(app, None),
            ("PATCH", ["hook", "config"]) => self.hook_config(app, Some(ask.body)),
            ("GET", ["hook", "deliveries"]) => self.list_deliveries(app, ask),
            ("GET", ["hook", "deliveries", id]) => self.get_delivery(app, number(id)?, ask.now),
            ("POST", ["hook", "deliveries", id, "attempts"]) => self.redeliver(app, number(id)?, ask.now),
            _ => missing(),
        })
    }

    /// Team membership asks for `members: read` at the organisation.
    fn team_membership(&self, ask: &Ask<'_>, organisation: &str, slug: &str, login: &str) -> Result<Reply, Reply> {
        let Caller::Installation(token) = &ask.caller else { return Err(refused(401, "Bad credentials")) };
        let account = self.apps.installation(token.installation).map(|installation| installation.account);
        let same = self.people.named(organisation).is_some_and(|known| Some(known.id) == account);
        if ask.method != "GET" || !same {
            return Err(missing());
        }
        let needed: super::access::Needed = (&["members"], super::access::Level::Read);
        let held = self.granted(token, None).unwrap_or_default();
        if !super::access::enough(&held, &needed) {
            return Err(super::access::forbidden(&needed));
        }
        Ok(self.membership(organisation, slug, login))
    }

    /// `GET /installation/repositories`.
    fn installed_repositories(&self, ask: &Ask<'_>) -> Result<Reply, Reply> {
        let Caller::Installation(token) = &ask.caller else { return Err(refused(401, "Bad credentials")) };
        let names = self.repositories.iter().filter(|(_, known)| known.is_hosted()).map(|(name, _)| name);
        let open: Vec<Value> =
            names.filter(|name| self.granted(token, Some(name)).is_some()).map(|name| self.repository(name)).collect();
        let page = super::entry::page_of(&open, &ask.form, 30);
        let selection = self.selection(token);
        let document =
            serde_json::json!({"total_count": open.len(), "repository_selection": selection, "repositories": page});
        Ok(super::entry::linked(Reply::json(200, &document), ask, &self.base, open.len()))
    }

    fn route_repository(&mut self, ask: &Ask<'_>, full: &str, rest: &[&str]) -> Result<Reply, Reply> {
        let (form, now) = (&ask.form, ask.now);
        let repository = self.repositories.get(full).ok_or_else(missing)?;
        let links = self.links(full);
        if let ["git", ..] | ["activity"] = rest {
            return self.route_references(ask, full, rest);
        }
        if let ["deployments", ..] = rest {
            return self.route_deployments(ask, full, rest);
        }
        match (ask.method, rest) {
            ("GET", ["compare", range @ ..]) => return Ok(repository.compare(&range.join("/"), now, form, &links)),
            ("GET", ["commits", asked]) => return Ok(repository.get_commit(asked, now, &links)),
            _ if !repository.is_hosted() => return Err(missing()),
            _ => {}
        }
        Ok(match (ask.method, rest) {
            ("GET", []) => Reply::json(200, &self.repository_full(full)),
            ("GET", ["contents", path @ ..]) => repository.contents(&path.join("/"), form, now, &links),
            ("GET", ["collaborators", login, "permission"]) => self.permission(full, login),
            ("GET", ["branches", name @ ..]) => self.branch(full, &name.join("/"), now),
            ("GET", ["rules", "branches", name @ ..]) => self.branch_rules(full, &name.join("/"), ask),
            ("GET", ["commits", sha, "pulls"]) => self.pulls_of_commit(full, sha, ask),
            ("GET", ["commits", reference, "check-runs"]) => self.list_checks(full, reference, ask),
            ("GET", ["commits", reference, "status"]) => self.combined_status(full, reference, ask),
            ("GET", ["commits", reference, "statuses"]) => self.list_commit_statuses(full, reference, ask),
            ("GET", ["check-runs", id]) => self.get_check(full, number(id)?),
            ("POST", ["check-runs"]) => {
                let app = self.app_of(&ask.caller);
                self.create_check(full, app, ask)
            }
            ("PATCH", ["check-runs", id]) => {
                let app = self.app_of(&ask.caller);
                self.update_check(full, number(id)?, app, ask)
            }
            ("GET", ["pulls"]) => self.list_pulls(full, ask),
            ("GET", ["pulls", id]) => self.get_pull(full, number(id)?, now),
            ("GET", ["pulls", id, "reviews"]) => self.list_reviews(full, number(id)?, ask),
            ("GET", ["issues", "comments"]) => self.list_comments(full, None, ask),
            ("GET", ["issues", "comments", id]) => self.get_comment(full, number(id)?),
            ("PATCH", ["issues", "comments", id]) => self.edit_comment(full, number(id)?, ask),
            ("DELETE", ["issues", "comments", id]) => self.delete_comment(full, number(id)?, ask),
            ("GET", ["issues", "comments", id, "reactions"]) => self.list_reactions(full, number(id)?, ask),
            ("POST", ["issues", "comments", id, "reactions"]) => self.react(full, number(id)?, ask),
            ("DELETE", ["issues", "comments", id, "reactions", reaction]) => {
                self.unreact(full, number(id)?, number(reaction)?, ask)
            }
            ("GET", ["issues", id, "comments"]) => self.list_comments(full, Some(number(id)?), ask),
            ("POST", ["issues", id, "comments"]) => self.create_comment(full, number(id)?, ask),
            ("GET", ["issues", id]) => {
                let found = self.issue_document(full, number(id)?);
                found.map_or_else(missing, |document| Reply::json(200, &document))
            }
            ("POST", ["actions", "workflows", file, "dispatches"]) => self.dispatch(full, file, ask),
            ("GET", ["actions", "workflows", file, "runs"]) => self.list_runs(full, Some(file), ask),
            ("GET", ["actions", "workflows", file]) => {
                let found = repository.actions.workflow(file);
                found.map_or_else(missing, |known| Reply::json(200, &self.workflow_document(full, known)))
            }
            ("GET", ["actions", "runs"]) => self.list_runs(full, None, ask),
            ("GET", ["actions", "runs", id]) => self.get_run(full, number(id)?),
            ("POST", ["actions", "runs", id, "deployment_protection_rule"]) => self.answer_rule(full, number(id)?, ask),
            ("POST", ["actions", "runs", id, "cancel"]) => self.cancel_run(full, number(id)?, now),
            _ => missing(),
        })
    }

    fn app_of(&self, caller: &Caller) -> u64 {
        match caller {
            Caller::Installation(token) => {
                self.apps.installation(token.installation).map_or(0, |installation| installation.app)
            }
            Caller::App(id) => *id,
            Caller::Stranger | Caller::Person(_) => 0,
        }
    }

    fn route_deployments(&mut self, ask: &Ask<'_>, full: &str, rest: &[&str]) -> Result<Reply, Reply> {
        let (form, now) = (&ask.form, ask.now);
        let who = self.acting(&ask.caller);
        let creator = if who == 0 { "shipline[bot]".to_owned() } else { self.people.login(who).to_owned() };
        let Self { base, people, repositories, ids, .. } = self;
        let links = super::document::Links { base, repository: full, people };
        let repository = repositories.get_mut(full).ok_or_else(missing)?;
        let reply = match (ask.method, rest) {
            ("GET", ["deployments"]) => {
                let all = repository.list_deployments(form, &links);
                listed(&all, ask, &self.base)
            }
            ("POST", ["deployments"]) => repository.create_deployment(ask.body, &creator, now, ids, &links),
            ("GET", ["deployments", id]) => repository.get_deployment(id, &links),
            ("GET", ["deployments", id, "statuses"]) => {
                let all = repository.list_statuses(id, &links)?;
                listed(&all, ask, &self.base)
            }
            ("POST", ["deployments", id, "statuses"]) => {
                let reply = repository.create_status(id, ask.body, &creator, now, ids, &links);
                let deployment = repository.get_deployment(id, &links);
                if reply.status == 201 {
                    let read = |reply: &Reply| serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
                    self.tell_deployment(full, &read(&deployment), &read(&reply), who);
                }
                reply
            }
            _ => missing(),
        };
        Ok(reply)
    }
}
