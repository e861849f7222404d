use super::*;

#[test]
fn a_session_is_named_after_the_environment_in_characters_that_sts_takes() {
    let environment = "staging".parse().unwrap();
    let named = |name: &str| AwsSpec { session_name: Some(name.to_owned()), ..AwsSpec::default() };
    assert_eq!(session_name(&AwsSpec::default(), Some(&environment)), "shipline-staging");
    assert_eq!(session_name(&AwsSpec::default(), None), "shipline");
    assert_eq!(session_name(&named("deploy von Jörg/7"), Some(&environment)), "deploy-von-J-rg-7");
    assert_eq!(session_name(&named("x"), None), "shipline");
    assert_eq!(session_name(&named(&"n".repeat(80)), None).len(), 64);
}

#[test]
fn an_account_that_is_not_listed_is_refused_and_any_is_allowed_without_a_list() {
    let account: AccountId = "111122223333".parse().unwrap();
    let other: AccountId = "444455556666".parse().unwrap();
    assert!(allowed(&AwsSpec::default(), &account).is_ok());
    let spec = AwsSpec { allowed_accounts: vec![other.clone()], ..AwsSpec::default() };
    assert!(allowed(&spec, &other).is_ok());
    let problem = allowed(&spec, &account).unwrap_err();
    assert_eq!(problem.exit_code(), 3);
    assert!(problem.to_string().contains("111122223333") && problem.to_string().contains("444455556666"));
}
