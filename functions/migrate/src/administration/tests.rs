//! On a server as RDS gives it: an administrator who is no superuser, and a role for those who log in with tokens.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::*;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Names that no other test has.
struct Names {
    administrator: String,
    owner: String,
    role: String,
    tokens: String,
    database: String,
}

impl Names {
    fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |what: &str| format!("{what}_{}_{number}", std::process::id());
        Self {
            administrator: name("administrator"),
            owner: name("owner"),
            role: name("role"),
            tokens: name("tokens"),
            database: name("new"),
        }
    }
}

fn server() -> PgConnectOptions {
    let url = std::env::var("DATABASE_URL");
    let url = url.expect("DATABASE_URL is set; run the tests with `make test`");
    url.parse().expect("a URL")
}

async fn set_up(names: &Names) -> Result<(), Error> {
    let Names {
        administrator,
        tokens,
        database,
        ..
    } = names;
    let mut superuser = server().connect().await?;
    for sql in [
        format!("create role {tokens} nologin"),
        format!("create role {administrator} login createrole createdb"),
        format!("grant {tokens} to {administrator} with admin option"),
        format!("create database {database} owner {administrator}"),
    ] {
        run(&mut superuser, sql).await?;
    }
    // RDS lets its administrator add them, who is no superuser: here one has to.
    let mut superuser = server().database(database).connect().await?;
    run(&mut superuser, ADD_EXTENSIONS.to_owned()).await?;
    let given = format!("alter schema monitoring owner to {administrator}");
    run(&mut superuser, given).await
}

async fn take_down(names: &Names) -> Result<(), Error> {
    let mut superuser = server().connect().await?;
    run(
        &mut superuser,
        format!("drop database if exists {} with (force)", names.database),
    )
    .await?;
    for role in [
        &names.role,
        &names.owner,
        &names.administrator,
        &names.tokens,
    ] {
        run(&mut superuser, format!("drop role if exists {role}")).await?;
    }
    Ok(())
}

/// Who owns the database, and who of the two is let in with tokens.
async fn prepare_twice(names: &Names) -> Result<(String, bool, bool), Error> {
    let Names {
        owner,
        role,
        tokens,
        database,
        ..
    } = names;
    let there = server().database(database);
    let mut administrator = there
        .clone()
        .username(&names.administrator)
        .connect()
        .await?;
    for _ in 0..2 {
        make_owner(&mut administrator, owner, Some(tokens)).await?;
        run(&mut administrator, ADD_EXTENSIONS.to_owned()).await?;
        show_statistics(&mut administrator, owner).await?;
    }
    // As the migrations do.
    let mut migrator = there.username(owner).connect().await?;
    run(&mut migrator, "create table made (id int)".to_owned()).await?;
    let statistics =
        "select from monitoring.pg_stat_statements, monitoring.pgstatindex('pg_class_oid_index')";
    run(&mut migrator, statistics.to_owned()).await?;
    run(&mut migrator, format!("create role {role} login")).await?;
    for _ in 0..2 {
        admit(&mut administrator, tokens, &[role]).await?;
    }
    let sql = "select pg_get_userbyid(datdba)::text, pg_has_role($1, $3, 'member'), pg_has_role($2, $3, 'member')
               from pg_database where datname = current_database()";
    let query = sqlx::query_as(sql).bind(owner).bind(role).bind(tokens);
    Ok(query.fetch_one(&mut administrator).await?)
}

#[tokio::test]
async fn a_new_database_gets_its_owner_and_its_roles_are_let_in_however_often_it_is_done() {
    let names = Names::new();
    let found = match set_up(&names).await {
        Ok(()) => prepare_twice(&names).await,
        Err(error) => Err(error),
    };
    take_down(&names).await.unwrap();
    assert_eq!(found.unwrap(), (names.owner, true, true));
}

#[test]
fn a_name_is_quoted() {
    assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
}
