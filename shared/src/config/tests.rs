//! Faults in the environment are named, and no secret is printed.

use super::*;

#[test]
fn what_is_missing_or_malformed_is_named() {
    let missing = DatabaseConfig::read(&Environment::of(&[("DATABASE_URL", "")])).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "the environment variable DATABASE_URL is not set"
    );
    for (variable, value) in [
        ("DATABASE_URL", "postgres://host/db?sslmode=perhaps"),
        ("DATABASE_URL", "postgres://reader:hidden@host/db"),
        ("DATABASE_AUTH", "kerberos"),
        ("DATABASE_MAX_CONNECTIONS", "5000"),
        ("REDIS_URL", "http://host"),
        ("REDIS_URL", "redis://:hidden@host"),
        ("REDIS_AUTH", "kerberos"),
        ("REDIS_CLUSTER", "yes"),
        ("REDIS_PREFIX", "{a}"),
        ("REDIS_TIMEOUT_MS", "1001"),
        ("ACCESS_TTL_SECONDS", "61"),
        ("RETRY_DELAYS_SECONDS", "5,-1"),
        ("RETRY_DELAYS_SECONDS", "5,"),
        ("REFRESH_DATABASE_SHARE_PERCENT", "five"),
        ("CLOCK_OFFSET_SECONDS", "1e9"),
    ] {
        let error = read_all(&[(variable, value)]).unwrap_err().to_string();
        assert!(error.contains(variable), "{error}");
        assert!(!error.contains(value), "{error}");
    }
}

#[test]
fn what_is_absent_has_its_default() {
    read_all(&[]).unwrap();
    let queue = QueueConfig::read(&Environment::of(&[
        ("QUEUE_URL", "q"),
        ("DEAD_LETTER_QUEUE_URL", "d"),
    ]))
    .unwrap();
    assert_eq!(queue.retry_delays, [5, 25, 125].map(Duration::from_secs));
}

/// What logs in with IAM, and who Lambda says it is.
const WITH_IAM: [(&str, &str); 9] = [
    (
        "DATABASE_URL",
        "postgres://reader@host:5433/db?sslmode=require",
    ),
    ("DATABASE_AUTH", "iam"),
    ("REDIS_URL", "rediss://lp-reporting@host"),
    ("REDIS_AUTH", "iam"),
    (
        "REDIS_CACHE_ARN",
        "arn:aws:elasticache:eu-west-1:123456789012:serverlesscache:lp",
    ),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "hidden-key"),
    ("AWS_SESSION_TOKEN", "hidden-session"),
];

fn with_iam(changed: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&WITH_IAM[..], changed].concat()
}

#[test]
fn with_iam_a_token_is_made_for_the_user_and_server_of_the_url() {
    let environment = Environment::of(&WITH_IAM);
    let database = DatabaseConfig::read(&environment).unwrap().iam.unwrap();
    let token = database.token();
    let asked = "host:5433/?Action=connect&DBUser=reader&";
    assert!(token.starts_with(asked), "{token}");
    let cache = RedisConfig::read(&environment).unwrap().iam.unwrap();
    assert_eq!(cache.user, "lp-reporting");
    let token = cache.token();
    let asked = "lp/?Action=connect&User=lp-reporting&ResourceType=ServerlessCache&";
    assert!(token.starts_with(asked), "{token}");
}

#[test]
fn with_iam_whatever_would_send_a_token_in_plain_or_to_no_one_keeps_the_function_from_starting() {
    for (variable, value) in [
        ("DATABASE_URL", "postgres://reader@host/db"),
        ("DATABASE_URL", "postgres://reader@host/db?sslmode=prefer"),
        (
            "DATABASE_URL",
            "postgres://reader:hidden@host/db?sslmode=require",
        ),
        ("DATABASE_URL", "postgres://host/db?sslmode=require"),
        (
            "DATABASE_URL",
            "postgres://reader@host,other/db?sslmode=require",
        ),
        ("REDIS_URL", "redis://lp-reporting@host"),
        ("REDIS_URL", "rediss://lp-reporting:hidden@host"),
        ("REDIS_URL", "rediss://lp-reporting@host/#insecure"),
        ("REDIS_URL", "rediss://host"),
        ("REDIS_CACHE_ARN", ""),
        (
            "REDIS_CACHE_ARN",
            "arn:aws:elasticache:eu-west-1:123456789012:user:lp",
        ),
        ("AWS_REGION", ""),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
    ] {
        let error = read_all(&with_iam(&[(variable, value)])).unwrap_err();
        assert!(error.to_string().contains(variable), "{value}: {error}");
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
}

#[test]
fn secrets_do_not_print() {
    let passwords = [
        (
            "DATABASE_URL",
            "postgres://u:hidden@host/db?sslmode=require",
        ),
        ("REDIS_URL", "rediss://:hidden@host"),
    ];
    for variables in [&passwords[..], &WITH_IAM] {
        let environment = Environment::of(variables);
        let printed = format!(
            "{:?} {:?} {:?}",
            DatabaseConfig::read(&environment).unwrap(),
            RedisConfig::read(&environment).unwrap(),
            DatabaseConfig::read(&environment).unwrap().iam,
        );
        assert!(!printed.contains("hidden"), "{printed}");
    }
}

/// Reads every struct from variables that are right but for those given.
fn read_all(given: &[(&str, &str)]) -> Result<(), ConfigError> {
    let mut variables = vec![
        ("DATABASE_URL", "postgres://host/db"),
        ("REDIS_URL", "redis://host"),
        ("QUEUE_URL", "q"),
        ("DEAD_LETTER_QUEUE_URL", "d"),
    ];
    variables.extend(given);
    let environment = Environment::of(&variables);
    DatabaseConfig::read(&environment)?;
    RedisConfig::read(&environment)?;
    AccessConfig::read(&environment)?;
    QueueConfig::read(&environment)?;
    RefreshConfig::read(&environment)?;
    ClockConfig::read(&environment)?;
    Ok(())
}
