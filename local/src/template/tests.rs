//! The template as it stands, read, and what is not understood of another.

use super::*;

fn project_template() -> Template {
    Template::read(&crate::project_directory().join("infra/template.yaml")).unwrap()
}

#[test]
fn every_function_folder_stands_in_the_template_under_its_own_name() {
    let folders = fs::read_dir(crate::project_directory().join("functions")).unwrap();
    let mut folders: Vec<String> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut names: Vec<String> = project_template()
        .functions
        .into_iter()
        .map(|function| function.name)
        .collect();
    folders.sort();
    names.sort();
    assert_eq!(names, folders);
}

#[test]
fn the_queue_outlasts_six_invocations_and_its_consumer_reports_partial_failures() {
    let template = project_template();
    let sources = template.queue_sources();
    let [(source, function)] = sources.as_slice() else {
        panic!("expected one queue trigger, found {sources:?}")
    };
    assert!(source.reports_item_failures);
    let visibility: u64 = template.queues[&source.queue].attributes["VisibilityTimeout"]
        .parse()
        .unwrap();
    assert!(visibility >= 6 * template.function(function).unwrap().timeout.as_secs());
    let redrive = template.queues[&source.queue].redrive.as_ref().unwrap();
    assert!(template.queues.contains_key(&redrive.target));
}

#[test]
fn own_variables_win_over_the_global_ones_and_references_resolve() {
    let template = project_template();
    let values = BTreeMap::from([("ActivityQueue".to_owned(), "queue".to_owned())]);
    let variable =
        |function: &str, name: &str| template.function(function).unwrap().environment[name].clone();
    let user_of = |function: &str| {
        template
            .user(&variable(function, "DATABASE_URL"), &values)
            .unwrap()
    };
    assert_eq!(user_of("summary"), "reader");
    assert_eq!(user_of("entitlements"), "grantor");
    assert_eq!(user_of("activity-refresh"), "recorder");
    assert_eq!(user_of("nightly-refresh"), "refresher");
    assert_eq!(user_of("migrate"), "migrator");
    let queue = variable("activity-refresh", "QUEUE_URL");
    assert_eq!(template.resolve(&queue, &values).unwrap(), "queue");
    let level = variable("summary", "RUST_LOG");
    assert_eq!(template.resolve(&level, &values).unwrap(), "info");
    let unknown = template.resolve(&queue, &BTreeMap::new()).unwrap_err();
    assert!(unknown.to_string().contains("ActivityQueue"), "{unknown}");
}

#[test]
fn a_choice_goes_by_its_condition() {
    let template = project_template();
    let url = &template.function("summary").unwrap().environment["DATABASE_CA_FILE"];
    let with = |value: &str| {
        let values = BTreeMap::from([("UseDatabaseProxy".to_owned(), value.to_owned())]);
        template.resolve(url, &values).unwrap()
    };
    assert_eq!(with("true"), "");
    assert_eq!(with("false"), "/opt/rds-authorities.pem");
}

#[test]
fn an_unknown_event_type_is_refused_by_name() {
    let text = "Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: f, Events: {E: {Type: S3}}}}}";
    let failure = format!("{:#}", Template::parse(text).unwrap_err());
    assert!(
        failure.contains("resource F") && failure.contains("S3"),
        "{failure}"
    );
}
