//! Who may do what in the database: each role of a function what its statements need and no more, and the owner alone all else.

use local::servers::postgres::Role;
use tests::builders::World;
use tests::database::Database;
use tests::desk::Desk;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// The roles that functions log in as, but for `migrate`, and for `grantor`, whom entitlements are for.
const OF_FUNCTIONS: [Role; 3] = [Role::Recorder, Role::Refresher, Role::Reader];

/// What the recorder may do with each table and view; in brackets, with some of its columns.
const OF_RECORDER: [(&str, &str); 18] = [
    ("activity_types", "select"),
    ("capital_activities", "select, insert"),
    ("commitment_navs", "select, insert"),
    ("fund_cash_flows", "select"),
    ("fund_investments", "select"),
    ("fund_nav_snapshots", "select, insert"),
    ("fund_performance", "select, insert, update, delete"),
    ("funds", "select, (update)"),
    ("investment_valuations", "select"),
    ("limited_partners", "select, (update)"),
    ("lp_capital_accounts", "select, insert, update, delete"),
    ("lp_fund_commitments", "select"),
    ("lp_performance_snapshots", "select, insert, update, delete"),
    ("lp_pooled_performance", "select, insert, update, delete"),
    ("pending_performance", "select, insert, delete"),
    ("received_events", "select, insert, delete"),
    ("touched_commitments", "select, insert, delete"),
    ("view_refreshes", "select, insert, update, delete"),
];

/// As [`OF_RECORDER`], for the refresher.
const OF_REFRESHER: [(&str, &str); 22] = [
    ("capital_activities", "select"),
    ("commitment_navs", "select"),
    ("fund_cash_flows", "select"),
    ("fund_investments", "select"),
    ("fund_lp_summary", "select"),
    ("fund_lp_summary_definition", "select"),
    ("fund_nav_snapshots", "select"),
    ("fund_performance", "select, insert, update, delete"),
    ("funds", "select, (update)"),
    ("investment_valuations", "select"),
    ("limited_partners", "select, (update)"),
    ("lp_capital_accounts", "select, insert, update, delete"),
    ("lp_dashboard_summary", "select"),
    ("lp_dashboard_summary_definition", "select"),
    ("lp_fund_commitments", "select"),
    ("lp_performance_latest", "select"),
    ("lp_performance_latest_definition", "select"),
    ("lp_performance_snapshots", "select, insert, update, delete"),
    ("lp_pooled_performance", "select, insert, update, delete"),
    ("pending_performance", "select, insert, delete"),
    ("touched_commitments", "select, insert, delete"),
    ("view_refreshes", "select, insert, update, delete"),
];

/// As [`OF_RECORDER`], for the one who grants.
const OF_GRANTOR: [(&str, &str); 1] = [("lp_access", "select, (insert), (update)")];

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    let rows = client.query(sql, &[]).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

/// Every table and view that the role may do something with, and what.
async fn rights(client: &Client, role: Role) -> Vec<(String, String)> {
    let sql = "
        select c.relname::text, string_agg(case when w.of_all then p.name else '(' || p.name || ')' end, ', ' order by p.place)
        from pg_class c
        cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger'])
            with ordinality as p (name, place)
        cross join lateral (
            select has_table_privilege($1::text, c.oid, p.name) as of_all,
                   p.name in ('select', 'insert', 'update', 'references')
                       and has_any_column_privilege($1::text, c.oid, p.name) as of_some
        ) w
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and (w.of_all or w.of_some)
        group by c.relname
        order by c.relname collate \"C\"";
    let rows = client.query(sql, &[&role.name()]).await;
    let rows = rows.expect("the catalogue answers");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn owned(rights: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(relation, rights): &(&str, &str)| (relation.to_owned(), rights.to_owned());
    rights.iter().map(owned).collect()
}

#[tokio::test]
async fn those_who_write_may_do_what_their_statements_need_and_no_more() {
    let database = Database::empty().await;
    let client = database.connect().await;
    assert_eq!(rights(&client, Role::Recorder).await, owned(&OF_RECORDER));
    assert_eq!(rights(&client, Role::Refresher).await, owned(&OF_REFRESHER));
    assert_eq!(rights(&client, Role::Grantor).await, owned(&OF_GRANTOR));
    let columns = "select r.role || ': ' || a.attrelid::regclass || '.' || a.attname
        from pg_attribute a
        cross join unnest(array['recorder', 'refresher']) as r (role)
        where a.attrelid in ('funds'::regclass, 'limited_partners'::regclass) and a.attnum > 0
          and has_column_privilege(r.role, a.attrelid, a.attnum, 'update')
        order by 1";
    let expected = [
        "recorder: funds.commitments_in_force_cents",
        "recorder: limited_partners.updated_at",
        "refresher: funds.commitments_in_force_cents",
        "refresher: limited_partners.updated_at",
    ];
    assert_eq!(texts(&client, columns).await, expected);
}

#[tokio::test]
async fn the_owner_alone_changes_the_schema_and_is_no_superuser() {
    let database = Database::empty().await;
    let client = database.connect().await;
    let owners = "select distinct pg_get_userbyid(o.owner)::text
        from (select relowner as owner from pg_class where relnamespace = 'public'::regnamespace
              union all
              select proowner from pg_proc where pronamespace = 'public'::regnamespace and prolang <> (select oid from pg_language where lanname = 'c')
              union all
              select datdba from pg_database where datname = current_database()) o";
    assert_eq!(texts(&client, owners).await, ["migrator"]);
    let mighty = "select rolname::text from pg_roles
        where rolname in ('migrator', 'recorder', 'refresher', 'reader', 'grantor') and (rolsuper or rolbypassrls or rolcreatedb or rolreplication)";
    assert_eq!(texts(&client, mighty).await, Vec::<String>::new());
    for role in OF_FUNCTIONS
        .into_iter()
        .chain([Role::Grantor])
        .map(Role::name)
    {
        let rights = format!(
            "select concat_ws(' ',
                 case when has_schema_privilege('{role}', 'public', 'create') then 'objects' end,
                 case when has_database_privilege('{role}', current_database(), 'create') then 'schemas' end,
                 case when (select rolcreaterole from pg_roles where rolname = '{role}') then 'roles' end,
                 (select string_agg(m.roleid::regrole::text, ' ') from pg_auth_members m where m.member = '{role}'::regrole))"
        );
        assert_eq!(texts(&client, &rights).await, [""], "{role}");
    }
}

/// What runs with its owner's rights is a way around the grants.
#[tokio::test]
async fn the_only_ways_to_the_owners_rights_are_few_and_have_a_fixed_path() {
    let database = Database::empty().await;
    let client = database.connect().await;
    let doors = "select r.role || ': ' || p.proname || ' with ' || array_to_string(p.proconfig, ', ')
        from pg_proc p
        cross join unnest(array['reader', 'recorder', 'refresher', 'grantor']) as r (role)
        where p.prosecdef and p.prorettype <> 'trigger'::regtype and has_function_privilege(r.role, p.oid, 'execute')
        order by 1";
    let expected = [
        "reader: enter_fund_scope with search_path=pg_catalog, public, pg_temp",
        "reader: enter_lp_scope with search_path=pg_catalog, public, pg_temp",
        "reader: fund_lp_summary_in_scope_at with search_path=pg_catalog, public, pg_temp",
        "recorder: refresh_views with search_path=public, pg_temp",
        "refresher: analyze_relation with search_path=pg_catalog, public, pg_temp",
        "refresher: create_access_log_partitions with search_path=pg_catalog, public, pg_temp",
        "refresher: detach_access_log_partitions with search_path=pg_catalog, public, pg_temp",
        "refresher: index_bloat_percent with search_path=pg_catalog, public, pg_temp",
        "refresher: refresh_views with search_path=public, pg_temp",
        "refresher: slow_statements with search_path=pg_catalog, public, pg_temp",
    ];
    assert_eq!(texts(&client, doors).await, expected);
    let without_path = "select p.proname::text from pg_proc p
        where p.prosecdef and not exists (select from unnest(p.proconfig) c where c like 'search\\_path=%, pg\\_temp')";
    assert_eq!(texts(&client, without_path).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_grants_refuse_what_a_role_is_not_for() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    desk.call(&world, 60_000, "2020-01-01").await;
    let whoever = [
        "update capital_activities set amount_cents = 1",
        "delete from capital_activities",
        "truncate capital_activities cascade",
        "update commitment_navs set nav_cents = 0",
        "update limited_partners set name = 'x'",
        "insert into lp_fund_commitments (lp_id, fund_id, commitment_amount_cents, commitment_date) values (1, 1, 1, '2020-01-01')",
        "update funds set name = 'x'",
        "select from lp_access",
        "insert into lp_access (subject, lp_id) values ('eve', 1)",
        "delete from row_changes",
        "drop policy writers_see_all on capital_activities",
        "create policy mine on lp_access using (true)",
        "alter table capital_activities no force row level security",
        "alter table capital_activities disable trigger all",
        "drop materialized view lp_dashboard_summary cascade",
        "refresh materialized view lp_dashboard_summary",
        "select create_missing_views()",
        "select extension_schema('pgstattuple')",
        "select from monitoring.pg_stat_statements",
        "select monitoring.pgstatindex('lp_access_subject_idx')",
        "reindex index lp_access_subject_idx",
        "create table mine (id int)",
        "set role migrator",
        "set session_replication_role = replica",
    ];
    for role in OF_FUNCTIONS {
        let client = desk.database.connect_as(role).await;
        for sql in whoever {
            assert_refused(&client, sql, role).await;
        }
    }
    let refresher = desk.database.connect_as(Role::Refresher).await;
    for sql in [
        "insert into capital_activities (lp_id) values (1)",
        "select nextval('capital_activities_activity_id_seq')",
        "insert into commitment_navs (commitment_id) values (1)",
        "select from received_events",
    ] {
        assert_refused(&refresher, sql, Role::Refresher).await;
    }
}

async fn assert_refused(client: &Client, sql: &str, role: Role) {
    let refused = client.batch_execute(sql).await;
    let refused = refused.expect_err(sql);
    assert_eq!(
        refused.code(),
        Some(&SqlState::INSUFFICIENT_PRIVILEGE),
        "{sql} as {role:?}: {refused:?}"
    );
}

#[tokio::test]
async fn a_claim_is_given_back_by_the_transaction_that_made_it_and_by_no_other() {
    let database = Database::empty().await;
    let recorder = database.connect_as(Role::Recorder).await;
    let claim = "insert into received_events (source, event_id, payload_hash) values ('a source', 'an event', sha256('x'))";
    let give_back = "delete from received_events where source = 'a source'";
    let sql = format!("begin; {claim}; {give_back}; {claim}; commit");
    recorder
        .batch_execute(&sql)
        .await
        .expect("it is claimed again");
    let given_back = recorder.execute(give_back, &[]).await;
    assert_eq!(given_back.expect("it is asked for"), 0);
    let standing = texts(&recorder, "select event_id from received_events").await;
    assert_eq!(standing, ["an event"]);
}
