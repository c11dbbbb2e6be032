//! What an LP is shown of the log, and what that costs.

use lambda_http::http::StatusCode;
use serde_json::json;
use tests::builders::{grant, insert_lp};
use tests::desk::Desk;
use tests::http::{header, json_of, request};
use tests::plan::Plan;

/// Looks of five months, the last of which is yet to come: at every LP ten a month, two at the same time. There are so many LPs that
/// reading a month from end to end is not the quickest.
const MONTHS: &str = "
    insert into limited_partners (name) select 'LP ' || n from generate_series(1, 300) n;
    do $$
    declare month timestamp := date_trunc('month', now() at time zone 'UTC') - interval '3 months';
    begin
        for ahead in 0..2 loop
            execute format('create table %I partition of access_log for values from (%L) to (%L)', 'earlier_' || ahead,
                           (month + make_interval(months => ahead)) at time zone 'UTC',
                           (month + make_interval(months => ahead + 1)) at time zone 'UTC');
        end loop;
    end $$;
    insert into access_log (occurred_at, subject, lp_id, route, outcome, request_id)
        select (date_trunc('month', now() at time zone 'UTC') - make_interval(months => back)) at time zone 'UTC'
                   + make_interval(secs => n / 2), 'ada', lp_id, 'summary', 'allowed', concat_ws(' ', back, n)
        from generate_series(-1, 3) as back, generate_series(1, 10) as n, limited_partners;
    analyze access_log";

/// An LP that `ada` may see and others, all looked at for months.
async fn looked_at() -> (Desk, i64) {
    let desk = Desk::empty().await;
    let hers = insert_lp(&desk.client, "Hers").await;
    grant(&desk.client, "ada", hers).await;
    desk.run(MONTHS).await;
    (desk, hers)
}

#[tokio::test]
async fn an_lp_is_shown_who_looked_newest_first_in_pages_that_stay_as_they_are() {
    let (desk, hers) = looked_at().await;
    let page = async |query: &str| {
        let path = format!("/api/lp/{hers}/access-log?limit=7{query}");
        let response = access_log::handle(&desk.reader, request(&path, Some("ada"), &[])).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "x-cache"), "bypass");
        json_of(&response)
    };
    let mut shown = Vec::new();
    let mut next = String::new();
    loop {
        let answer = page(&next).await;
        let items = answer["items"].as_array().expect("items");
        shown.extend(items.iter().map(|item| item["requestId"].clone()));
        match answer["nextCursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
        // Somebody looks meanwhile.
        desk.run(&format!(
            "insert into access_log (subject, lp_id, route, outcome, request_id) values ('bob', {hers}, 'summary', 'denied', 'new')"
        ))
        .await;
    }
    let sql = "select request_id from access_log where lp_id = $1 and request_id <> 'new' and occurred_at <= now()
        order by occurred_at desc, access_id desc";
    let expected = desk.client.query(sql, &[&hers]).await.expect("the log");
    let expected: Vec<&str> = expected.iter().map(|row| row.get(0)).collect();
    assert_eq!(expected.len(), 40);
    assert_eq!(shown, expected);
    let newest = &page("").await["items"][0];
    assert_eq!(
        (&newest["subject"], &newest["outcome"], &newest["route"]),
        (&json!("bob"), &json!("denied"), &json!("summary"))
    );
}

#[tokio::test]
async fn a_page_reads_one_month_after_the_other_and_no_further_than_it_reaches() {
    let (desk, hers) = looked_at().await;
    let reader = desk.database.connect_in_scope(hers).await;
    let sql = include_str!("../../../shared/src/reports/access_log.sql");
    let now = "9999-12-31";
    let last_month = "(date_trunc('month', now() at time zone 'UTC') - interval '1 month') at time zone 'UTC' + interval '1 hour'";
    let row = desk
        .client
        .query_one(&format!("select ({last_month})::text"), &[])
        .await;
    let last_month: String = row.expect("a time").get(0);
    for (before, most, months) in [(now, 5, 1), (now, 15, 2), (last_month.as_str(), 5, 1)] {
        let parameters = [
            hers.to_string(),
            before.to_owned(),
            "0".to_owned(),
            most.to_string(),
        ];
        let plan = Plan::of(&reader, sql, &parameters.map(Some)).await;
        let read = plan.count_of_indexes("_lp_id_occurred_at_access_id_idx");
        assert_eq!(read, months, "{before} {most}: {plan:#?}");
        assert_eq!(plan.rows_fetched(), f64::from(most), "{plan:#?}");
    }
}
