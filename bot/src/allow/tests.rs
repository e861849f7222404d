use super::*;
use crate::types::InstallationId;

fn repository(id: u64, name: &str) -> RepositoryRef {
    RepositoryRef {
        id: RepositoryId::new(id),
        name: name.parse().unwrap(),
        installation: InstallationId::new(1),
        public: false,
    }
}

fn role(name: &str) -> RoleArn {
    format!("arn:aws:iam::111122223333:role/{name}").parse().unwrap()
}

fn wanted() -> AwsSpec {
    AwsSpec { region: Some("us-east-1".parse().unwrap()), role: Some(role("shop")), ..AwsSpec::default() }
}

const LIST: &str = r#"
repositories:
  Acme/Shop: { id: 7, roles: [arn:aws:iam::111122223333:role/shop], accounts: [111122223333], regions: us-east-1, external-id: "shop-7f3a" }
  "acme/*": { regions: [eu-west-1] }
"#;

fn list() -> AllowList {
    AllowList::parse(LIST).unwrap()
}

#[test]
fn without_a_list_each_repository_has_an_external_id_of_its_own_whatever_its_policy_says() {
    let foreign = AwsSpec { external_id: Some("shipline/8".to_owned()), ..wanted() };
    let seven = AllowList::default().permitted(&repository(7, "acme/shop"), &foreign).unwrap();
    assert_eq!(seven.external_id.as_deref(), Some("shipline/7"));
    let renamed = AllowList::default().permitted(&repository(7, "other/name"), &wanted()).unwrap();
    assert_eq!(renamed.external_id.as_deref(), Some("shipline/7"));
    assert_eq!(AwsSpec { external_id: None, ..seven }, wanted(), "everything else stays");
}

#[test]
fn without_a_role_there_is_no_external_id() {
    let ambient = AwsSpec { role: None, external_id: Some("x1".to_owned()), ..wanted() };
    assert_eq!(AllowList::default().permitted(&repository(7, "acme/shop"), &ambient).unwrap().external_id, None);
}

#[test]
fn what_is_listed_is_permitted_with_the_external_id_and_the_accounts_of_the_list() {
    let spec = list().permitted(&repository(7, "acme/shop"), &wanted()).unwrap();
    assert_eq!(spec.external_id.as_deref(), Some("shop-7f3a"));
    assert_eq!(spec.allowed_accounts, ["111122223333".parse().unwrap()]);
}

#[test]
fn who_and_what_is_not_listed_is_refused() {
    let refused = |repository: &RepositoryRef, wanted: &AwsSpec| {
        let denied = list().permitted(repository, wanted).unwrap_err();
        assert_eq!(denied.code, ReasonCode::NotOnAllowList);
        assert!(!denied.next.is_empty());
        denied.what
    };
    let shop = repository(7, "acme/shop");
    let other_account: RoleArn = "arn:aws:iam::999900001111:role/shop".parse().unwrap();
    insta::assert_snapshot!([
        refused(&repository(9, "stranger/shop"), &wanted()),
        refused(&repository(8, "acme/shop"), &wanted()),
        refused(&shop, &AwsSpec { role: Some(role("bank")), ..wanted() }),
        refused(&shop, &AwsSpec { role: Some(other_account), ..wanted() }),
        refused(&shop, &AwsSpec { role: None, ..wanted() }),
        refused(&shop, &AwsSpec { region: Some("eu-west-1".parse().unwrap()), ..wanted() }),
        refused(&shop, &AwsSpec { region: None, ..wanted() }),
        refused(&shop, &AwsSpec { allowed_accounts: vec!["999900001111".parse().unwrap()], ..wanted() }),
        refused(&repository(9, "acme/other"), &wanted()),
    ].join("\n"), @r"
    `stranger/shop` may not deploy with this bot.
    `acme/shop` may not deploy with this bot.
    `acme/shop` may not use the role `arn:aws:iam::111122223333:role/bank`.
    `acme/shop` may not use the role `arn:aws:iam::999900001111:role/shop`.
    `acme/shop` may not use the bot's own credentials, without a role.
    `acme/shop` may not use the region `eu-west-1`.
    `acme/shop` may not use an environment without `aws.region`.
    `acme/shop` may not use the account `999900001111`.
    `acme/other` may not use the region `us-east-1`.
    ");
}

#[test]
fn the_accounts_of_policy_and_list_are_both_kept() {
    let two = AwsSpec {
        allowed_accounts: vec!["999900001111".parse().unwrap(), "111122223333".parse().unwrap()],
        ..wanted()
    };
    let spec = list().permitted(&repository(7, "acme/shop"), &two).unwrap();
    assert_eq!(spec.allowed_accounts, ["111122223333".parse().unwrap()]);
}

#[test]
fn the_entry_of_an_owner_is_for_repositories_without_one_of_their_own() {
    let there = AwsSpec { region: Some("eu-west-1".parse().unwrap()), ..wanted() };
    let spec = list().permitted(&repository(9, "ACME/other"), &there).unwrap();
    assert_eq!(spec.external_id.as_deref(), Some("shipline/9"));
}

#[test]
fn an_empty_list_lets_nobody_deploy() {
    let empty = AllowList::parse("repositories:\n").unwrap();
    assert!(empty.permitted(&repository(7, "acme/shop"), &wanted()).is_err());
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let text = r#"
repos: {}
repositories:
  acme: {}
  acme/shop: { roles: [nobody], account: 1, regions: [] }
  ACME/shop: {}
  "acme/*": { id: seven, external-id: "no spaces please", accounts: { a: b } }
  acme/bank: yes
"#;
    let problems = AllowList::parse(text).unwrap_err();
    let told: Vec<String> = problems
        .all()
        .iter()
        .map(|problem| {
            let place = problem.place.as_ref().unwrap();
            format!("{} {} {}", place.line.unwrap(), place.path, problem.code)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    2 repos unknown-key
    4 repositories.acme repository
    5 repositories.acme/shop.roles wrong-value
    5 repositories.acme/shop.account unknown-key
    5 repositories.acme/shop.regions wrong-type
    6 repositories.ACME/shop twice
    7 repositories.acme/*.id wrong-value
    7 repositories.acme/*.external-id external-id
    7 repositories.acme/*.accounts wrong-type
    8 repositories.acme/bank wrong-type
    ");
    for nothing in ["", "[]", "x"] {
        assert!(AllowList::parse(nothing).is_err(), "{nothing:?}");
    }
}
